import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, isAppError } from '../../../shared/errors.ts'
import type { Range } from '../../../shared/ranges.ts'
import { asStoreError, codeOf, isPassing } from './errors.ts'
import type { Objects } from './objects.ts'

/** Bytes of an object. */
export interface Piece {
  key: string
  range: Range
}

/** Failures one after the other, without a byte between them, before a reader gives up. */
const TRIES = 4
const PAUSE = 200

/**
 * The bytes of a piece, asked for at once and read as they are taken. A connection that breaks is taken up again where
 * it broke: a slow reader may outlive many.
 * @throws NoSuchKey (isMissing) when the object is gone; AppError `store-busy`, or `content-removed` when it is shorter
 */
export function readPiece(objects: Objects, { key, range }: Piece, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  if (range.end <= range.start) return nothing()
  const first = objects.get(key, range, signal)
  // Whoever takes the bytes hears of it.
  first.catch(() => undefined)
  return goOn(objects, { key, range }, first, signal)
}

// oxlint-disable-next-line no-empty-function
async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* goOn(
  objects: Objects,
  { key, range: { start, end } }: Piece,
  first: Promise<Readable>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let next: Promise<Readable> | undefined = first
  for (let at = start, failed = 0; at < end;) {
    try {
      const body = await (next ?? objects.get(key, { start: at, end }, signal))
      next = undefined
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        at += piece.byteLength
        failed = 0
        yield piece
      }
      if (at < end) throw shorter(key, at)
    } catch (error) {
      next = undefined
      failed += 1
      if (codeOf(error) === 'InvalidRange') throw shorter(key, at)
      const passes = isPassing(error) || isAppError(error, 'store-busy')
      if (!passes || failed >= TRIES || signal?.aborted) throw asStoreError(error, objects.bucket)
      await delay(PAUSE * 2 ** failed)
    }
  }
}

const shorter = (key: string, at: number): AppError =>
  new AppError('content-removed', `the object ${key} ends at ${at}`)

/**
 * The bytes of pieces, one after the other; the next few are asked for while one is read, so that it is the line that
 * counts and not the way there and back.
 */
export async function* readInOrder(
  objects: Objects,
  pieces: AsyncIterable<Piece> | Iterable<Piece>,
  { ahead, signal }: { ahead: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const open: AsyncGenerator<Uint8Array>[] = []
  for await (const piece of pieces) {
    open.push(readPiece(objects, piece, signal))
    if (open.length > ahead) yield* open.shift()!
  }
  for (const one of open) yield* one
}
