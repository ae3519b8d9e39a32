import { AppError } from '../../../shared/errors.ts'
import type { Range } from '../../../shared/ranges.ts'
import type { Chunk, Content, Part, PartReader } from '../../ports.ts'
import type { Composer } from './compose.ts'
import { isMissing } from './errors.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'
import { readPiece } from './reading.ts'

/** @param publishedAs the name that the part has got meanwhile, if any: its chunks go once it is a finished file */
export function openPartReader(
  { objects, layout, composer }: { objects: Objects; layout: Layout; composer: Composer },
  part: Part,
  publishedAs: () => Promise<string | null>,
): PartReader {
  const closed = new AbortController()
  const { signal } = closed

  const finished = async (): Promise<string | undefined> => {
    const name = await publishedAs()
    return name !== null && (await composer.isOf(part, layout.file(name))) ? layout.file(name) : undefined
  }

  async function* read(chunk: Chunk, range: Range): AsyncGenerator<Uint8Array> {
    let at = range.start
    try {
      const key = layout.chunk(part, chunk.start, chunk.tag)
      const within = { start: range.start - chunk.start, end: range.end - chunk.start }
      for await (const bytes of readPiece(objects, { key, range: within }, signal)) {
        at += bytes.byteLength
        yield bytes
      }
    } catch (error) {
      if (!isMissing(error)) throw error
      const key = await finished()
      if (key === undefined) throw gone(part, error)
      yield* readPiece(objects, { key, range: { start: at, end: range.end } }, signal)
    }
  }

  return { read, close: async () => closed.abort() }
}

const gone = ({ id }: Part, cause: unknown): AppError =>
  new AppError('content-broken', `The bytes of ${id} were removed while they were read.`, { id }, { cause })

/** A finished file. */
export function readContent(objects: Objects, key: string, size: number): Content {
  const closed = new AbortController()
  return {
    size,
    async *read(range) {
      try {
        yield* readPiece(objects, { key, range }, closed.signal)
      } catch (error) {
        if (!isMissing(error)) throw error
        throw new AppError('content-broken', 'The file was removed while it was read.', {}, { cause: error })
      }
    },
    close: async () => closed.abort(),
  }
}
