import type { Credentials } from './credentials.ts'
import type { Enrolments } from './enrolments.ts'
import type { Principal } from './principal.ts'
import type { Proofs } from './proof.ts'
import { kindOf } from './secrets.ts'
import type { Tokens } from './tokens.ts'
import { z } from 'zod'
import { clientIdSchema } from '../../../shared/protocol.ts'

/** Finds out who calls, by what `Authorization` says (RFC 9110 §11). */
export type Authenticate = (authorization: string) => Promise<Principal>

const nobody: Principal = { kind: 'nobody' }

const proofSchema = z.object({
  purpose: z.enum(['session', 'credential']),
  client: clientIdSchema,
  credential: z.uuid(),
  nonce: z.string().max(100),
  subject: z.string().max(100),
  origin: z.string().max(300),
  signature: z.string().max(100),
})

export function createAuthenticate({
  tokens,
  enrolments,
  credentials,
  proofs,
  origins,
}: {
  tokens: Tokens
  enrolments: Enrolments
  credentials: Credentials
  proofs: Proofs
  /** By which agents may call this server; none for any. */
  origins: readonly string[]
}): Authenticate {
  const byOperator = async (secret: string): Promise<Principal> => {
    const token = await tokens.find(secret)
    return token ? { kind: 'operator', ...token } : nobody
  }

  const byBearer = async (secret: string): Promise<Principal> => {
    const credential = await credentials.findBearer(secret)
    if (!credential) return nobody
    await credentials.proven(credential)
    return { kind: 'agent', clientId: credential.clientId, credentialId: credential.id, by: 'bearer' }
  }

  const bySession = async (secret: string): Promise<Principal> => {
    const token = await credentials.findSession(secret)
    return token ? { kind: 'agent', ...token, by: 'session' } : nobody
  }

  const byEnrolment = async (secret: string): Promise<Principal> => {
    const enrolment = await enrolments.find(secret)
    return enrolment ? { kind: 'enrolment', enrolment } : nobody
  }

  const bySecret = (secret: string): Promise<Principal> => {
    switch (kindOf(secret)) {
      case 'session':
        return bySession(secret)
      case 'bearer':
        return byBearer(secret)
      case 'enrolment':
        return byEnrolment(secret)
      default:
        return byOperator(secret)
    }
  }

  /** Backhaul-Key: a signature of this server's nonce. */
  const byProof = async (parameters: string): Promise<Principal> => {
    const parsed = proofSchema.safeParse(parametersOf(parameters))
    if (!parsed.success) return nobody
    const { purpose, client: clientId, credential: credentialId, nonce, subject, origin, signature } = parsed.data
    if (origins.length > 0 && !origins.includes(origin)) return nobody
    const credential = await credentials.find(credentialId)
    if (credential?.clientId !== clientId || credential.publicKey === null) return nobody
    const parts = { purpose, clientId, credentialId, nonce, subject, origin }
    if (!(await proofs.holds(credential.publicKey, parts, signature))) return nobody
    await credentials.proven(credential)
    return { kind: 'agent', clientId, credentialId, by: 'proof', purpose, subject }
  }

  return async (authorization) => {
    const [, scheme = '', rest = ''] = /^([A-Za-z-]{1,20}) +([\x21-\x7e][\x20-\x7e]{0,999})$/.exec(authorization) ?? []
    if (scheme.toLowerCase() === 'bearer') return bySecret(rest)
    if (scheme.toLowerCase() === 'backhaul-key') return byProof(rest)
    return nobody
  }
}

/** `name="value", …` (RFC 9110 §11.2), of values that need no quoting inside. */
function parametersOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/([a-z]+)="([^"\\]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
}
