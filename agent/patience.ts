import type { Answer } from './http.ts'
import { TransientError } from './retry.ts'

/**
 * How long nothing may move on an upload before its connection is taken for dead. Learned from the line, as TCP learns
 * when to retransmit (RFC 6298): a fast line is given up soon, and a slow one, whose last bytes wait in the kernel's
 * buffer, is not given up while it works.
 */
export interface Patience {
  /** In ms. */
  limit(): number
  /** An upload was answered; in between, nothing moved for `quietMs` at most. */
  answered(quietMs: number): void
  /** Nothing moved for `limitMs`. */
  stalled(limitMs: number): void
  /** Whether it cannot be longer: what still stalls is dead, or carries less than it is given. */
  exhausted(): boolean
}

const FIRST = 30_000
const SHORTEST = 8_000
const LONGEST = 120_000
/** So many times the usual quiet is unusual. */
const FACTOR = 4

export function createPatience(): Patience {
  let usual: number | undefined
  let limit = FIRST
  return {
    limit: () => limit,
    answered(quietMs) {
      usual = Math.max(quietMs, usual === undefined ? 0 : 0.8 * usual + 0.2 * quietMs)
      limit = Math.min(LONGEST, Math.max(SHORTEST, FACTOR * usual))
    },
    // Several connections of one line stall together: it is doubled once, not once for each.
    stalled(limitMs) {
      limit = Math.max(limit, Math.min(LONGEST, 2 * limitMs))
      // Else the next quick answer of another connection would take it all back.
      usual = Math.max(usual ?? 0, limit / FACTOR)
    },
    exhausted: () => limit >= LONGEST,
  }
}

/** A request that learns how quiet the line may be, and teaches it. @throws what `send` throws */
export async function patiently(patience: Patience, send: (idleMs: number) => Promise<Answer>): Promise<Answer> {
  const idleMs = patience.limit()
  try {
    const answer = await send(idleMs)
    patience.answered(answer.quietMs)
    return answer
  } catch (error) {
    if (error instanceof TransientError && error.stalled) patience.stalled(idleMs)
    throw error
  }
}
