import { connect } from 'node:net'

/** A keep-alive connection that sends prepared requests and reads answers with a Content-Length, or without a body. */
export interface Connection {
  /** Sends the text of a request; the one before must have been answered. */
  send(request: string): void
  close(): void
}

export interface ConnectionDeps {
  url: URL
  /** The source address: one has some 28,000 ports. */
  from?: string
  onAnswer: (status: number, body: string) => void
  /** The connection ended, or what came is no answer. */
  onEnd: (why: string) => void
}

// Thousands of connections read into one buffer: each piece is looked at before the next is read.
const buffer = Buffer.allocUnsafe(64 * 1024)

export function openConnection({ url, from, onAnswer, onEnd }: ConnectionDeps): Connection {
  let text = ''
  const take = (length: number): boolean => {
    text += buffer.toString('latin1', 0, length)
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd < 0) return true
    const head = text.slice(0, headEnd)
    const bodyAt = headEnd + 4
    const end = bodyAt + Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (text.length < end) return true
    const body = text.slice(bodyAt, end)
    text = text.slice(end)
    onAnswer(Number(head.slice(9, 12)), body)
    return true
  }
  const socket = connect({
    host: url.hostname,
    port: Number(url.port),
    onread: { buffer, callback: take },
    ...(from === undefined ? {} : { localAddress: from }),
  })
  socket.setNoDelay(true)
  socket.on('error', (error) => onEnd(error.message))
  socket.on('close', () => onEnd('closed'))
  return { send: (request) => void socket.write(request, 'latin1'), close: () => socket.destroy() }
}

/** A request with the headers that all have in common. */
export function requestText(url: URL, first: string, headers: readonly string[], body?: string): string {
  const length = body === undefined ? [] : ['content-type: application/json', `content-length: ${body.length}`]
  return [first, ...headers, ...length, `Host: ${url.host}`, 'Connection: keep-alive', '', body ?? ''].join('\r\n')
}

/** ms on the machine's own clock, the same for all of its processes. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
