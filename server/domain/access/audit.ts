import { isAppError } from '../../../shared/errors.ts'
import type { AccessStore, AuditEntry, AuditFilter } from '../../access-ports.ts'
import type { Clock } from '../../ports.ts'
import type { Principal } from './principal.ts'

/** Who did what, from where, and what was refused: written down before the answer goes out, and never changed. */
export interface Audit {
  /**
   * What the store has no room for, or is held by somebody else for, is logged and written down once it can be: nobody is
   * kept from what is stored.
   * @throws AppError `store-full`, `store-busy` once too much waits
   */
  note(entries: readonly Omit<AuditEntry, 'at'>[]): Promise<void>
  /** Writes down what waits, if the store takes it now. */
  catchUp(): Promise<void>
  /** Newest first. */
  list(filter: AuditFilter): Promise<(AuditEntry & { seq: number })[]>
}

/** Entries that wait for the store, at most; who comes then is refused. */
const MOST_WAITING = 1000

export function createAudit({
  store,
  clock,
  unwritten,
}: {
  store: AccessStore
  clock: Clock
  /** Told of each entry that has to wait: a stop would lose it. */
  unwritten: (entry: AuditEntry) => void
}): Audit {
  let waiting: readonly AuditEntry[] = []

  const append = async (fresh: readonly AuditEntry[]): Promise<void> => {
    const before = waiting
    const entries = [...before, ...fresh]
    if (entries.length === 0) return
    // Nobody else writes them meanwhile.
    waiting = []
    try {
      await store.appendAudit(entries)
    } catch (error) {
      const mayWait = isAppError(error, 'store-full', 'store-busy') && entries.length <= MOST_WAITING
      waiting = [...(mayWait ? entries : before), ...waiting]
      if (!mayWait) throw error
      fresh.forEach(unwritten)
    }
  }

  return {
    note: (entries) => append(entries.map((entry) => ({ at: clock.now(), ...entry }))),
    catchUp: () => append([]),
    list: (filter) => store.listAudit(filter),
  }
}

/** How the audit names a caller. */
export function actorOf(principal: Principal): string {
  switch (principal.kind) {
    case 'operator':
      return `token ${principal.name}`
    case 'agent':
      return `client ${principal.clientId}`
    case 'enrolment':
      return `enrolment ${principal.enrolment.id}`
    default:
      return principal.kind
  }
}
