import type { Sha256 } from '../../shared/digest.ts'
import type { Part } from '../byte-ports.ts'
import { partKey } from './part-key.ts'

/** Digests that are remembered at once. The agent says its own again with `complete`, whatever was forgotten. */
const MOST = 1000

/** Digests of the whole, told with a chunk while others were still on their way. */
export interface Announced {
  /**
   * Remembers what a session says of an attempt.
   * @returns takes that back, unless something else was told since; for a chunk that is refused
   */
  tell(part: Part, session: string, sha256: Sha256): () => void
  /** What this session has told; what another one said of the whole counts for nothing. */
  told(part: Part, session: string): Sha256 | undefined
  forget(part: Part): void
}

export function createAnnounced(): Announced {
  const digests = new Map<string, { session: string; sha256: Sha256 }>()
  return {
    tell(part, session, sha256) {
      const key = partKey(part)
      const mine = { session, sha256 }
      digests.set(key, mine)
      for (const oldest of digests.keys()) if (digests.size > MOST) digests.delete(oldest)
      return () => {
        if (digests.get(key) === mine) digests.delete(key)
      }
    },

    told(part, session) {
      const known = digests.get(partKey(part))
      return known?.session === session ? known.sha256 : undefined
    },

    forget: (part) => void digests.delete(partKey(part)),
  }
}
