import { createHmac, createPublicKey, randomBytes, timingSafeEqual, verify } from 'node:crypto'
import { proofText, type ProofParts } from '../../../shared/proof-text.ts'
import type { AccessStore } from '../../access-ports.ts'
import type { Clock } from '../../ports.ts'

/** How long a nonce may be signed, in ms, by the clocks of the servers alone. */
const NONCE_MS = 60_000
/** How much later than this server's clock another's may be that made the nonce, in ms. */
const SKEW = 30_000
const TAG_BYTES = 16

/** Proofs that a caller holds a private key, made for one nonce of this server. */
export interface Proofs {
  nonce(): Promise<string>
  /** Whether `signature` (base64url, RFC 8032) is the key's, of a nonce that is still good. */
  holds(publicKey: string, parts: ProofParts, signature: string): Promise<boolean>
}

/** Nonces are remembered by nobody: each carries its time and a tag that only this database's servers can make. */
export function createProofs({
  store,
  clock,
}: {
  store: Pick<AccessStore, 'secret'>
  clock: Pick<Clock, 'now'>
}): Proofs {
  let secret: Promise<Buffer> | undefined
  const secretOf = (): Promise<Buffer> =>
    (secret ??= store.secret('nonces').catch((error: unknown) => {
      secret = undefined
      throw error
    }))

  const tagOf = async (text: string): Promise<string> =>
    createHmac('sha256', await secretOf())
      .update(text)
      .digest()
      .subarray(0, TAG_BYTES)
      .toString('base64url')

  const fresh = async (nonce: string): Promise<boolean> => {
    const [at = '', random = '', tag = ''] = nonce.split('.')
    const age = clock.now() - Number.parseInt(at, 36)
    if (!(age >= -SKEW && age <= NONCE_MS)) return false
    const wanted = Buffer.from(await tagOf(`${at}.${random}`))
    const given = Buffer.from(tag)
    return wanted.length === given.length && timingSafeEqual(wanted, given)
  }

  return {
    async nonce() {
      const text = `${clock.now().toString(36)}.${randomBytes(12).toString('base64url')}`
      return `${text}.${await tagOf(text)}`
    },

    async holds(publicKey, parts, signature) {
      if (!(await fresh(parts.nonce))) return false
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
      return verify(null, Buffer.from(proofText(parts)), key, Buffer.from(signature, 'base64url'))
    },
  }
}
