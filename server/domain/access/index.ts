import type { AccessStore, AuditEntry } from '../../access-ports.ts'
import type { Clock, WakeBus } from '../../ports.ts'
import { createAudit, type Audit } from './audit.ts'
import { createAuthenticate, type Authenticate } from './authenticate.ts'
import { createCredentials, type Credentials } from './credentials.ts'
import { createEnrolments, type Enrolments } from './enrolments.ts'
import { createProofs, type Proofs } from './proof.ts'
import { createTokens, type Tokens } from './tokens.ts'

/** Who may do what. */
export interface Access {
  authenticate: Authenticate
  tokens: Tokens
  enrolments: Enrolments
  credentials: Credentials
  proofs: Proofs
  audit: Audit
}

export function createAccess(deps: {
  store: AccessStore
  wakes: WakeBus
  clock: Clock
  /** Whether callers must say who they are. */
  required: () => boolean
  /** By which agents may call this server; none for any. */
  origins: readonly string[]
  /** Told of what the audit cannot be given yet. */
  unwritten: (entry: AuditEntry) => void
}): Access {
  const tokens = createTokens(deps)
  const enrolments = createEnrolments(deps)
  const credentials = createCredentials(deps)
  const proofs = createProofs(deps)
  const authenticate = createAuthenticate({ ...deps, tokens, enrolments, credentials, proofs })
  return {
    authenticate: async (authorization) => (deps.required() ? authenticate(authorization) : { kind: 'anyone' }),
    tokens,
    enrolments,
    credentials,
    proofs,
    audit: createAudit(deps),
  }
}
