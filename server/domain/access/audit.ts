import type { AccessStore, AuditEntry, AuditFilter } from '../../access-ports.ts'
import type { Clock } from '../../ports.ts'
import type { Principal } from './principal.ts'

/** Who did what, from where, and what was refused: written down before the answer goes out, and never changed. */
export interface Audit {
  note(entries: readonly Omit<AuditEntry, 'at'>[]): Promise<void>
  /** Newest first. */
  list(filter: AuditFilter): Promise<(AuditEntry & { seq: number })[]>
}

export function createAudit({ store, clock }: { store: AccessStore; clock: Clock }): Audit {
  return {
    async note(entries) {
      const at = clock.now()
      if (entries.length > 0) await store.appendAudit(entries.map((entry) => ({ at, ...entry })))
    },
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
