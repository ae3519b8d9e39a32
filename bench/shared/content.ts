import { randomFillSync } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { formatChunkDigest, sha256, type Sha256 } from '../../shared/digest.ts'
import { MiB } from '../source.ts'

/** What a file of any size is made of, over and over, in bytes: so that a process holds no more. */
const HELD = 64 * MiB

export interface Piece {
  bytes: Buffer
  /** As in `Chunk-Digest`. */
  digest: string
}

/** The content of a file in pieces of one size; nothing of it is computed while it is sent. */
export interface Content {
  pieces: number
  piece(number: number): Piece
  sha256: Sha256
}

/** Random bytes. @param size bytes, a multiple of `each` @param each bytes of a piece */
export function makeContent(size: number, each: number): Content {
  if (size % each !== 0) throw new Error('a file is as long as a number of whole chunks')
  const distinct = Math.max(1, Math.floor(Math.min(size, HELD) / each))
  const all = randomFillSync(Buffer.allocUnsafe(distinct * each))
  const held = Array.from({ length: distinct }, (_, index): Piece => {
    const bytes = all.subarray(index * each, (index + 1) * each)
    return { bytes, digest: formatChunkDigest(`crc32:${crc32(bytes).toString(16).padStart(8, '0')}`) }
  })
  const piece = (number: number): Piece => held[number % distinct]!
  const pieces = size / each
  const hash = sha256()
  for (let number = 0; number < pieces; number += 1) hash.update(piece(number).bytes)
  return { pieces, piece, sha256: hash.digest('hex') }
}
