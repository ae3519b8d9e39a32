import type { Batch } from '../shared/batches.ts'
import type { Sha256 } from '../shared/digest.ts'
import type { Range } from '../shared/ranges.ts'
import type { Chunk, JobStore } from './ports.ts'

/** What the domain needs of a place for bytes. Sizes are bytes, ranges half-open. */

/** One attempt's bytes, apart from those of every other attempt. */
export interface Part {
  id: string
  attempt: number
}

export interface ChunkWriter {
  /** Writes a batch behind those of the calls before; at most the range's length in all. Returns after the write returned. */
  write(batch: Batch): Promise<void>
  /**
   * Makes what was written durable, with a sync that starts from now on. After one that failed, it fails for ever.
   * @returns what the store needs to find the chunk again
   */
  commit(): Promise<string>
  /** To be called, before `close`, when what was committed certainly has no row, and never gets one: nobody reads it. */
  discard(): Promise<void>
  close(): Promise<void>
}

export interface PartReader {
  /** The bytes of `range`, which must lie within `chunk`. @throws AppError `content-removed` when they are gone, with their part */
  read(chunk: Chunk, range: Range): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** What tells which chunks of a part are durable. */
export type PartRows = Pick<JobStore, 'received' | 'chunksFrom'>

/** Hashes a part's durable bytes, read back from the store and in order, off the main thread. */
export interface PartHasher {
  /** A range is durable now: what has become contiguous with it may be hashed ahead. @throws what reading rows throws */
  extend(range: Range): Promise<void>
  /** @throws AppError `content-removed` when bytes are not there; any other error may pass */
  digest(size: number): Promise<Sha256>
  /** A digest under way fails. */
  close(): void
}

export interface Content {
  size: number
  read(range: Range): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** Chunks that do not pass through a server. */
export interface DirectChunks {
  /**
   * Tries whether URLs can be given away: not where the store heeds headers that nobody signed, for it would copy any
   * object to who may put a chunk.
   * @throws Error that says what to do
   */
  check(): Promise<void>
  /**
   * A URL that takes one chunk by PUT, with exactly these headers, for so many seconds. Its length and MD5 are signed: the
   * store takes no other bytes under it, and those once.
   * @param chunk `md5` in Base64
   * @returns the tag under which the chunk will be found
   */
  presignChunk(chunk: {
    part: Part
    start: number
    length: number
    md5: string
    seconds: number
  }): Promise<{ url: string; headers: Record<string, string>; tag: string }>
  /** The length of a chunk that was sent so, durably; undefined when it is not there. */
  chunkLanded(part: Part, start: number, tag: string): Promise<number | undefined>
  /** To be called when a chunk certainly has no row, and never gets one: nobody reads it. */
  discardChunk(part: Part, start: number, tag: string): Promise<void>
}

export interface ByteStore {
  /**
   * What a commit that failed means. A disk may have lost bytes that were written before: nothing of the part is believed
   * any more. Where a chunk is an object, it alone is not there, and can be sent again.
   */
  readonly failedCommitLoses: 'part' | 'chunk'
  /**
   * Makes an empty part, durably; of several who make the same one, one does.
   * @returns false when it exists already
   */
  createPart(part: Part, size: number): Promise<boolean>
  /**
   * @throws AppError `attempt-superseded` when the part is gone: a write never makes one. Where a chunk is an object that
   * is not asked for; then the write leaves an object without a row, which is discarded or swept.
   */
  openWriter(part: Part, range: Range): Promise<ChunkWriter>
  /** @returns undefined when the part is gone */
  openReader(part: Part): Promise<PartReader | undefined>
  hasher(part: Part, rows: PartRows): PartHasher
  /** The part's length, or undefined when it is gone. */
  partSize(part: Part): Promise<number | undefined>
  listParts(): Promise<Part[]>
  removePart(part: Part): Promise<void>
  /**
   * Gives a verified part its final name, durably; repeatable.
   * @param rows of the part, all `size` bytes of it
   * @returns false when something else bears the name
   * @throws AppError `content-removed` when bytes of it are lost
   */
  publish(part: Part & { size: number }, name: string, rows: PartRows): Promise<boolean>
  /** @throws AppError `content-removed` */
  openContent(name: string): Promise<Content>
  /** Removes the name of a part, unless it is something else's. */
  unpublish(part: Part, name: string): Promise<void>
  removeContent(name: string): Promise<void>
  /** A URL by which the file can be fetched from the store itself, as `filename`, for so many seconds; where there are such. */
  contentUrl?(name: string, how: { filename: string; seconds: number }): Promise<string>
  /** Where chunks can be sent to the store itself. */
  direct?: DirectChunks
  /** Where a person finds the file. */
  location(name: string): string
  /** Infinity where nobody can say. */
  freeBytes(): Promise<number>
  /** @throws AppError `store-busy` while the store does not answer */
  check(): Promise<void>
  close(): Promise<void>
}
