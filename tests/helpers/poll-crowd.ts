import { connect, type Socket } from 'node:net'

/** What became of a poll: its status and the seconds of its Retry-After, or nothing when the connection just broke. */
export interface PollEnd {
  status: number
  retryAfter: number | undefined
}

/**
 * Holds one poll for each of `count` clients, each on a connection of its own, `atOnce` being opened at a time.
 * @returns how they end, once all have
 */
export async function holdPolls({
  url,
  count,
  headers,
  atOnce = 100,
}: {
  url: string
  count: number
  headers: (number: number) => string[]
  atOnce?: number
}): Promise<{ ends: Promise<PollEnd[]> }> {
  const { hostname, port } = new URL(url)
  const ends: Promise<PollEnd>[] = []
  const open = (number: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write([...headers(number), 'Host: localhost', 'Prefer: wait=300', '\r\n'].join('\r\n'))
        resolve()
      })
      socket.once('error', reject)
      ends.push(endOf(socket))
    })
  for (let from = 0; from < count; from += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - from) }, (_, index) => open(from + index)))
  }
  return { ends: Promise.all(ends) }
}

function endOf(socket: Socket): Promise<PollEnd> {
  let text = ''
  return new Promise((resolve) => {
    socket.on('data', (data) => (text += data.toString()))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      const wait = /^retry-after: (\d+)\r$/im.exec(text)?.[1]
      resolve({
        status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
        retryAfter: wait === undefined ? undefined : Number(wait),
      })
    })
  })
}
