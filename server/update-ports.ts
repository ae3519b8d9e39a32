import type { Sha256 } from '../shared/digest.ts'
import type { UpdateState } from '../shared/operator.ts'
import type { Range } from '../shared/ranges.ts'

/** An order that a client becomes another version. Times are epoch ms. */
export interface UpdateRecord {
  id: string
  version: string
  state: UpdateState
  /** Of one that failed: why. */
  detail: string | null
  orderedAt: number
  changedAt: number
}

/** A file of a release, opened. */
export interface ReleaseFile {
  size: number
  sha256: Sha256
  read(range: Range): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** What sites install. */
export interface ReleaseStore {
  /** One of the files that the release lists; undefined when it has none of this name, or there is no release. */
  open(name: string): Promise<ReleaseFile | undefined>
  /** The version that the release has for each platform, as it is now; empty when there is no release. */
  versions(): Promise<ReadonlyMap<string, string>>
}
