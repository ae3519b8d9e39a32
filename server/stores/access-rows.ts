import { toRole } from '../../shared/access.ts'
import type { AuditEntry, CredentialRecord, EnrolmentRecord, SessionTokenRecord, TokenRecord } from '../access-ports.ts'
import { numberOrNull, textOrNull, toBoolean, type Row } from './rows.ts'

const list = (value: unknown): string[] | null => (typeof value === 'string' ? (JSON.parse(value) as string[]) : null)

export function toToken(row: Row): TokenRecord {
  return {
    id: String(row['id']),
    name: String(row['name']),
    role: toRole(String(row['role'])),
    content: toBoolean(row['content']),
    clients: list(row['clients']),
    paths: list(row['paths']),
    createdAt: Number(row['created_at']),
    expiresAt: numberOrNull(row['expires_at']),
    revokedAt: numberOrNull(row['revoked_at']),
  }
}

export function toEnrolment(row: Row): EnrolmentRecord {
  return {
    id: String(row['id']),
    clients: String(row['clients']),
    labels: JSON.parse(String(row['labels'])) as Record<string, string>,
    usesLeft: Number(row['uses_left']),
    createdAt: Number(row['created_at']),
    expiresAt: Number(row['expires_at']),
    revokedAt: numberOrNull(row['revoked_at']),
  }
}

export function toCredential(row: Row): CredentialRecord {
  return {
    id: String(row['id']),
    clientId: String(row['client_id']),
    publicKey: textOrNull(row['public_key']),
    enrolmentId: textOrNull(row['enrolment_id']),
    createdAt: Number(row['created_at']),
    provenAt: numberOrNull(row['proven_at']),
    revokedAt: numberOrNull(row['revoked_at']),
  }
}

export function toSessionToken(row: Row): SessionTokenRecord {
  return {
    clientId: String(row['client_id']),
    session: String(row['session']),
    credentialId: String(row['credential_id']),
    expiresAt: Number(row['expires_at']),
  }
}

export function toAudit(row: Row): AuditEntry & { seq: number } {
  return {
    seq: Number(row['seq']),
    at: Number(row['at']),
    actor: String(row['actor']),
    address: String(row['address']),
    action: String(row['action']),
    clientId: textOrNull(row['client_id']),
    path: textOrNull(row['path']),
    downloadId: textOrNull(row['download_id']),
    status: Number(row['status']),
    code: textOrNull(row['code']),
  }
}
