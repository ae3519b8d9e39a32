import { createHash, type Hash } from 'node:crypto'
import { AppError } from './errors.ts'

/** A SHA-256 in hex, lower case. Everything inside the program uses this form. */
export type Sha256 = string

/** A running SHA-256. */
export function sha256(): Hash {
  return createHash('sha256')
}

/** `sha-256=:BASE64:`, the form of Content-Digest and Repr-Digest (RFC 9530 §2, §3). */
export function formatDigest(hex: Sha256): string {
  return `sha-256=:${Buffer.from(hex, 'hex').toString('base64')}:`
}

/**
 * The SHA-256 of a Content-Digest or Repr-Digest header. Other algorithms beside it are passed over (RFC 9530 §2).
 * @throws AppError `digest-invalid` when the header has no well-formed sha-256
 */
export function parseDigest(header: string, field: string): Sha256 {
  for (const member of header.split(',')) {
    const match = /^sha-256=:([A-Za-z0-9+/]{43}=):$/.exec(member.trim())
    if (match?.[1]) return Buffer.from(match[1], 'base64').toString('hex')
  }
  throw new AppError('digest-invalid', `${field} must hold sha-256=:BASE64: of 32 bytes, not "${header}".`, { field })
}
