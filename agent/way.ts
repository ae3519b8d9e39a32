import type { Sha256 } from '../shared/digest.ts'
import type { Range } from '../shared/ranges.ts'
import type { ChunkVerdict } from './answers.ts'
import type { Loaded } from './load.ts'

export interface ChunkToSend {
  range: Range
  loaded: Loaded
  /** The SHA-256 of the whole file, where nothing is left to do but to verify it. */
  whole: Sha256 | undefined
}

/**
 * Sends one chunk, once. Its lane stays the caller's.
 * @throws TransientError, JobDropped, the signal's reason
 */
export type Send = (chunk: ChunkToSend, signal: AbortSignal) => Promise<ChunkVerdict>

/** How long one chunk may be on its way, in ms. */
export const CHUNK_LIMIT_MS = 15 * 60_000

/** Where the bytes of a job go; whatever has one path is one job. */
export const filePath = (id: string): string => `/jobs/${encodeURIComponent(id)}/file`
