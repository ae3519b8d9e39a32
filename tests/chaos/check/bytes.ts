import { defaults } from '../../../shared/protocol.ts'
import type { Download } from '../../../shared/operator.ts'
import type { FaultPlan } from '../plan/faults.ts'

/** What the run cost. */
export interface Bytes {
  /** Of the files that were completed. */
  completed: number
  /** That went over the clients' lines towards the server, with all that is not content. */
  sent: number
  /** Sent, and not kept. */
  twice: number
  /** What the server itself counted as sent and not needed. */
  resent: number
  /** What the faults may have cost at most: what is in flight at once, for each time that they ended it; and attempts given up. */
  bound: number
}

/** Bytes of attempts that came to nothing, at most. */
const givenUp = ({ status, attempt, size }: Download): number =>
  Math.max(0, status === 'completed' ? attempt - 1 : attempt) * (size ?? 0)

const affectsAll = ({ name }: FaultPlan): boolean => name.includes('server') || name === 'disk full'

export function countBytes({
  downloads,
  faults,
  clients,
  sent,
}: {
  downloads: readonly Download[]
  faults: readonly FaultPlan[]
  clients: number
  sent: number
}): Bytes {
  const sum = (of: (download: Download) => number): number => downloads.reduce((total, one) => total + of(one), 0)
  const inFlight = defaults.chunk.preferred * defaults.parallel
  const interruptions = faults.reduce((count, fault) => count + (affectsAll(fault) ? clients : 1), 0)
  return {
    completed: sum(({ status, size }) => (status === 'completed' ? (size ?? 0) : 0)),
    sent,
    twice: Math.max(0, sent - sum(({ bytesReceived }) => bytesReceived)),
    resent: sum(({ bytesResent }) => bytesResent),
    bound: interruptions * inFlight + sum(givenUp),
  }
}
