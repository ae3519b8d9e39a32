import { AppError } from '../../../shared/errors.ts'
import type { Range } from '../../../shared/ranges.ts'
import type { Content, Part, PartReader } from '../../byte-ports.ts'
import { isMissing } from './errors.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'
import { readPiece, type Piece } from './reading.ts'

/** Reads chunks, as long as there are any. */
export function openPartReader({ objects, layout }: { objects: Objects; layout: Layout }, part: Part): PartReader {
  const closed = new AbortController()
  return {
    read({ start, tag }, range) {
      const within = { start: range.start - start, end: range.end - start }
      return telling(objects, { key: layout.chunk(part, start, tag), range: within }, closed.signal)
    },
    close: async () => closed.abort(),
  }
}

/** A finished file. */
export function openFile(objects: Objects, key: string, size: number): Content {
  const closed = new AbortController()
  return {
    size,
    read: (range: Range) => telling(objects, { key, range }, closed.signal),
    close: async () => closed.abort(),
  }
}

async function* telling(objects: Objects, piece: Piece, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* readPiece(objects, piece, signal)
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new AppError('content-removed', 'The bytes were removed from the store.', {}, { cause: error })
  }
}
