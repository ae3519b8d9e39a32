import type { Part, PartRows } from '../../byte-ports.ts'
import type { Chunk } from '../../ports.ts'

const ROWS_PER_STEP = 100

/** The chunks of a part from the one that holds `from` on, in order and up to the first hole, read as they are taken. */
export async function* chunksInOrder(part: Part, rows: PartRows, from: number): AsyncGenerator<Chunk> {
  for (let at = from; ;) {
    const chunks = await rows.chunksFrom(part.id, part.attempt, at, ROWS_PER_STEP)
    for (const chunk of chunks) {
      if (chunk.start > at) return
      at = chunk.end
      yield chunk
    }
    if (chunks.length < ROWS_PER_STEP) return
  }
}
