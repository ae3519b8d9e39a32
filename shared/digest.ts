import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { AppError } from './errors.ts'
import type { ChunkAlgorithm } from './protocol.ts'

/** A SHA-256 in hex, lower case. Everything inside the program uses this form. */
export type Sha256 = string

/** A running SHA-256. */
export function sha256(): Hash {
  return createHash('sha256')
}

const SHA_256 = /^sha-256=:([A-Za-z0-9+/]{43}=):$/

/** The bytes of one member in hex, if it has the form. */
function bytesOf(member: string, form: RegExp): string | undefined {
  const base64 = form.exec(member.trim())?.[1]
  return base64 && Buffer.from(base64, 'base64').toString('hex')
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
    const hex = bytesOf(member, SHA_256)
    if (hex) return hex
  }
  throw new AppError('digest-invalid', `${field} must hold sha-256=:BASE64: of 32 bytes, not "${header}".`, { field })
}

/**
 * The digest of a chunk: a SHA-256 in hex, or `crc32:` and eight hex digits. A CRC-32 finds what is damaged on the way
 * at a third of the cost; what proves the file is the SHA-256 of the whole.
 */
export type ChunkDigest = string

/** Bytes that are hashed as they pass. */
export interface RunningDigest {
  update(bytes: Uint8Array): unknown
  hex(): string
}

/** A running digest of a chunk; `hex` gives a ChunkDigest. */
export function runningDigest(algorithm: ChunkAlgorithm): RunningDigest {
  if (algorithm === 'sha-256') {
    const hash = sha256()
    return { update: (bytes) => hash.update(bytes), hex: () => hash.digest('hex') }
  }
  let value = 0
  return {
    update: (bytes) => (value = crc32(bytes, value)),
    hex: () => `${CRC32}${value.toString(16).padStart(8, '0')}`,
  }
}

const CRC32 = 'crc32:'

export function algorithmOf(digest: ChunkDigest): ChunkAlgorithm {
  return digest.startsWith(CRC32) ? 'crc32' : 'sha-256'
}

/** `crc32=:BASE64:` or `sha-256=:BASE64:`, the form of RFC 9530; `crc32` is not registered, so the header is our own. */
export function formatChunkDigest(digest: ChunkDigest): string {
  if (algorithmOf(digest) === 'sha-256') return formatDigest(digest)
  return `crc32=:${Buffer.from(digest.slice(CRC32.length), 'hex').toString('base64')}:`
}

/**
 * The first digest of a Chunk-Digest header whose algorithm is known.
 * @throws AppError `digest-invalid` when there is none
 */
export function parseChunkDigest(header: string, field: string): ChunkDigest {
  for (const member of header.split(',')) {
    const crc = bytesOf(member, /^crc32=:([A-Za-z0-9+/]{6}==):$/)
    if (crc) return CRC32 + crc
    const sha = bytesOf(member, SHA_256)
    if (sha) return sha
  }
  throw new AppError(
    'digest-invalid',
    `${field} must hold crc32=:BASE64: of 4 bytes or sha-256=:BASE64: of 32, not "${header.slice(0, 100)}".`,
    { field },
  )
}
