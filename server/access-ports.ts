import type { RateLimiterAbstract } from 'rate-limiter-flexible'
import type { Role } from '../shared/access.ts'

/** What access needs of the world. Of every secret only the SHA-256 is kept. Times are epoch milliseconds. */

export interface TokenRecord {
  id: string
  name: string
  role: Role
  /** Whether it may download content. */
  content: boolean
  /** Patterns of client ids; null for all. */
  clients: string[] | null
  /** Globs of paths; null for all. */
  paths: string[] | null
  createdAt: number
  expiresAt: number | null
  revokedAt: number | null
}

export interface EnrolmentRecord {
  id: string
  /** A pattern of client ids. */
  clients: string
  labels: Record<string, string>
  usesLeft: number
  createdAt: number
  expiresAt: number
  revokedAt: number | null
}

/** What an agent proves itself with: a key whose private half never left it, or a bearer token. */
export interface CredentialRecord {
  id: string
  clientId: string
  /** 32 bytes as base64url; null for a bearer token. */
  publicKey: string | null
  enrolmentId: string | null
  createdAt: number
  /** When it was used first: a credential takes the place of older ones only then. */
  provenAt: number | null
  revokedAt: number | null
}

/** A token of a session that was begun with a proof. */
export interface SessionTokenRecord {
  clientId: string
  session: string
  credentialId: string
  expiresAt: number
}

export interface AuditEntry {
  at: number
  /** Who: `token NAME`, `client ID`, `nobody`. */
  actor: string
  address: string
  /** `METHOD /path/{template}`, or what happened. */
  action: string
  clientId: string | null
  path: string | null
  downloadId: string | null
  status: number
  /** Of the refusal. */
  code: string | null
}

/** A call that changes something returns once that is durable. */
export interface AccessStore {
  addToken(token: TokenRecord, hash: string): Promise<void>
  /**
   * The same, in place of whatever has that name. One with this hash that is there already stays as it is, and takes no
   * place once it was revoked.
   */
  replaceToken(token: TokenRecord, hash: string): Promise<void>
  findToken(hash: string): Promise<TokenRecord | undefined>
  listTokens(): Promise<TokenRecord[]>
  /** @returns whether it was there, and not revoked yet */
  revokeToken(id: string, at: number): Promise<boolean>

  /** Leaves one with this hash as it is. */
  addEnrolment(enrolment: EnrolmentRecord, hash: string): Promise<void>
  findEnrolment(hash: string): Promise<EnrolmentRecord | undefined>
  /** The labels of the enrolment that a credential came from. */
  labelsOf(credentialId: string): Promise<Record<string, string>>
  listEnrolments(): Promise<EnrolmentRecord[]>
  /** Which ids it is for from now on. */
  setEnrolmentClients(id: string, clients: string): Promise<void>
  revokeEnrolment(id: string, at: number): Promise<boolean>
  /**
   * Takes one use and adds the credential, or neither. A key that was enrolled by this token before is answered the same.
   * @param by.mayReplace whether a client that has a credential may be given another
   * @returns `revoked` for a key that was; `refused` for a client that may not be given another; `spent` when no use is left
   */
  enrol(
    by: { enrolmentId: string; mayReplace: boolean },
    credential: CredentialRecord,
    hash: string | null,
  ): Promise<CredentialRecord | 'revoked' | 'refused' | 'spent'>

  /**
   * Adds the client's next credential, in place of others that were never used.
   * @param by the id of the one that proved the client
   * @returns `refused` when that is not in force any more; `revoked` for a key that was
   */
  addNextCredential(credential: CredentialRecord, by: string): Promise<CredentialRecord | 'refused' | 'revoked'>
  findCredential(id: string): Promise<CredentialRecord | undefined>
  findBearer(hash: string): Promise<CredentialRecord | undefined>
  listCredentials(clientId?: string): Promise<CredentialRecord[]>
  /** Notes the first use; credentials of the client that are older are revoked with it. @returns their ids */
  proveCredential(id: string, at: number): Promise<string[]>
  /** Its session tokens go with it, and the next ones that it told of, and that were never used. */
  revokeCredential(id: string, at: number): Promise<boolean>
  /** All that are in force. @returns their ids */
  revokeClient(clientId: string, at: number): Promise<string[]>

  addSessionToken(token: SessionTokenRecord, hash: string): Promise<void>
  findSessionToken(hash: string): Promise<SessionTokenRecord | undefined>
  /** When the last of a session's tokens ends; undefined without any. */
  lastEnd(session: Pick<SessionTokenRecord, 'credentialId' | 'session'>): Promise<number | undefined>
  forgetSessionTokens(expiredBefore: number): Promise<void>

  /** 32 random bytes under a name, made once. */
  secret(name: string): Promise<Buffer>

  appendAudit(entries: readonly AuditEntry[]): Promise<void>
  /** Newest first. @param filter.before only entries with a smaller `seq` */
  listAudit(filter: AuditFilter): Promise<(AuditEntry & { seq: number })[]>
}

export interface AuditFilter {
  before?: number | undefined
  clientId?: string | undefined
  actor?: string | undefined
  limit: number
}

/**
 * Counts what callers do within so many seconds: of what is shared by several servers, for all of them together.
 * @param limit.name apart from which nothing is counted together
 */
export type MakeLimiter = (limit: { name: string; points: number; seconds: number }) => RateLimiterAbstract
