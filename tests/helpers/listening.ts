import type { Json, Stack } from './stack.ts'
import { until } from './until.ts'

/** One block of server-sent events, by the names of its lines; a comment is none. */
export type Block = Partial<Record<'id' | 'event' | 'data' | 'retry', string>>

/** Somebody who listens to a server's events. */
export interface Listening {
  headers: Headers
  /** What came so far, without blocks that only say where the listener stands. */
  events(): Json[]
  /** The last position that was told. */
  position(): string | undefined
  /** The events once there is one that fits, and those before it. */
  has(what: string, fits: (event: Json) => boolean): Promise<Json[]>
  /** Resolves when the stream is over: `whole` where the server has ended it, `cut` where the connection broke. */
  ended: Promise<'whole' | 'cut'>
  stop(): void
}

/** @param query with its question mark, or nothing */
export async function listenTo(
  { url }: Pick<Stack, 'url'>,
  query = '',
  headers: Record<string, string> = {},
): Promise<Listening> {
  const leaving = new AbortController()
  const response = await fetch(`${url}/events${query}`, { headers, signal: leaving.signal })
  if (!response.ok || !response.body)
    throw new Error(`/events was answered ${response.status}: ${await response.text()}`)
  const blocks: Block[] = []
  const events = (): Json[] =>
    blocks.flatMap(({ event, data }) => (event === undefined ? [] : [{ event, ...(JSON.parse(data ?? '') as Json) }]))

  const read = async (stream: AsyncIterable<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const piece of stream) {
      const parts = (rest + decoder.decode(piece, { stream: true })).split('\n\n')
      rest = parts.pop() ?? ''
      blocks.push(...parts.map(blockOf))
    }
  }

  return {
    headers: response.headers,
    events,
    position: () => blocks.findLast(({ id }) => id !== undefined)?.id,
    has: (what, fits) =>
      until(what, async () => {
        const at = events().findIndex(fits)
        return at !== -1 && events().slice(0, at + 1)
      }),
    ended: read(response.body).then(
      () => 'whole',
      () => 'cut',
    ),
    stop: () => leaving.abort(),
  }
}

function blockOf(lines: string): Block {
  const fields = lines.split('\n').map((line) => /^(\w+): (.*)$/.exec(line))
  return Object.fromEntries(fields.flatMap((field) => (field ? [[field[1], field[2]]] : [])))
}
