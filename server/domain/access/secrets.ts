import { createHash, randomBytes } from 'node:crypto'

/** What a secret is for, as its first letters say: whoever finds one knows what to revoke. */
export const prefixes = { operator: 'bho_', enrolment: 'bhe_', bearer: 'bhb_', session: 'bhs_' } as const
export type SecretKind = keyof typeof prefixes

const BYTES = 32
const shape = /^(bh[oebs]_)[A-Za-z0-9_-]{43}$/

/** A new secret of 256 random bits. Its hash needs no salt, and no slowness: nobody guesses it. */
export function newSecret(kind: SecretKind): { secret: string; hash: string } {
  const secret = `${prefixes[kind]}${randomBytes(BYTES).toString('base64url')}`
  return { secret, hash: hashOf(secret) }
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** @returns undefined for what no secret of ours looks like */
export function kindOf(secret: string): SecretKind | undefined {
  const prefix = shape.exec(secret)?.[1]
  return (Object.keys(prefixes) as SecretKind[]).find((kind) => prefixes[kind] === prefix)
}
