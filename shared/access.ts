import { z } from 'zod'
import { isPlainText } from './plain-text.ts'
import { clientIdSchema, labelsSchema } from './protocol.ts'

/** What an operator's token allows: to look; to ask for files, too; everything. */
export const roles = ['reader', 'operator', 'admin'] as const
export type Role = (typeof roles)[number]

/** @throws Error for what is no role */
export function toRole(text: string): Role {
  return z.enum(roles).parse(text)
}

const nameSchema = z.string().min(1).max(100).refine(isPlainText, 'must not contain control characters')

/** Client ids with `*` for any characters: `restaurant_*`. */
export const clientPatternSchema = z
  .string()
  .regex(/^[A-Za-z0-9*][A-Za-z0-9._*-]{0,63}$/, 'must be a client id, with * for any characters')
const pathPatternSchema = z.string().min(1).max(4096).refine(isPlainText, 'must not contain control characters')

/** Seconds. Who wants no end says none; further away than dates go, there is none that could be told. */
const lifetime = z
  .int()
  .min(1)
  .max(100 * 365 * 24 * 3600)

/** The public half of an Ed25519 key: the 32 bytes of RFC 8032, as base64url. */
export const publicKeySchema = z
  .string()
  // The last character has two bits to spare: only zeroes, so that one key is one text.
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'must be an Ed25519 key: 32 bytes as base64url')

export const tokenRequestSchema = z
  .strictObject({
    name: nameSchema,
    role: z.enum(roles),
    /** Whether it may download content; without it, as its role has it: readers may not. */
    content: z.boolean().optional(),
    /** The clients that it is for; without it, all. */
    clients: z.array(clientPatternSchema).min(1).max(100).optional(),
    /** The paths that it is for, as globs; without it, all. */
    paths: z.array(pathPatternSchema).min(1).max(100).optional(),
    /** Seconds; without it, for ever. */
    expiresIn: lifetime.optional(),
  })
  .refine(({ role, clients, paths, content }) => role !== 'admin' || !(clients ?? paths ?? content === false), {
    // Who makes tokens can make themselves any.
    message: 'cannot be limited to clients, paths or no content',
    path: ['role'],
  })
  .refine(({ name }) => name !== 'ADMIN_TOKEN', {
    message: 'is the name of the one in the environment',
    path: ['name'],
  })
export type TokenRequest = z.infer<typeof tokenRequestSchema>

export const enrolmentRequestSchema = z.strictObject({
  /** Which ids agents may take. */
  clients: clientPatternSchema,
  uses: z.int().min(1).max(100_000).default(1),
  /** Seconds. */
  expiresIn: lifetime.default(24 * 3600),
  /** Labels that the clients get, whatever they say of themselves. */
  labels: labelsSchema.default({}),
})
export type EnrolmentRequest = z.infer<typeof enrolmentRequestSchema>

/** What an agent trades its enrolment token for a credential with. The token itself is in `Authorization`. */
export const credentialRequestSchema = z.strictObject({
  clientId: clientIdSchema,
  /** Without it the credential is a bearer token, for an agent of curl. */
  publicKey: publicKeySchema.optional(),
})
export type CredentialRequest = z.infer<typeof credentialRequestSchema>

const moment = z.string().nullable()
const id = z.string()

/** Of what is listed; `secret` only where it was made just now. */
const secret = z.string().optional()

export const tokenSchema = z.object({
  id,
  name: z.string(),
  role: z.enum(roles),
  content: z.boolean(),
  clients: z.array(z.string()).nullable(),
  paths: z.array(z.string()).nullable(),
  createdAt: moment,
  expiresAt: moment,
  revokedAt: moment,
  secret,
})
export type Token = z.infer<typeof tokenSchema>
export const tokenListSchema = z.object({ tokens: z.array(tokenSchema) })

export const enrolmentSchema = z.object({
  id,
  clients: z.string(),
  labels: labelsSchema,
  usesLeft: z.int(),
  createdAt: moment,
  expiresAt: moment,
  revokedAt: moment,
  secret,
})
export type Enrolment = z.infer<typeof enrolmentSchema>
export const enrolmentListSchema = z.object({ enrolments: z.array(enrolmentSchema) })

export const credentialSchema = z.object({
  id,
  clientId: clientIdSchema,
  kind: z.enum(['key', 'bearer']),
  createdAt: moment,
  provenAt: moment,
  revokedAt: moment,
  secret,
})
export type Credential = z.infer<typeof credentialSchema>
export const credentialListSchema = z.object({ credentials: z.array(credentialSchema) })

/** How many credentials were revoked. */
export const revokedSchema = z.object({ revoked: z.int() })

export const signInRequestSchema = z.strictObject({
  /** An operator's. */
  token: z
    .string()
    .max(1000)
    .regex(/^[\x21-\x7e][\x20-\x7e]*$/, 'must be visible ASCII characters'),
})

/** Who looks at a page. Where nobody needs a token, everybody is an admin. */
export const signInSchema = z.object({
  /** Whether a token is needed here. */
  needed: z.boolean(),
  signedIn: z.boolean(),
  /** Of the token. */
  name: z.string().nullable(),
  role: z.enum(roles).nullable(),
  /** Whether content may be downloaded. */
  content: z.boolean(),
})
export type SignIn = z.infer<typeof signInSchema>

export const auditListSchema = z.object({
  entries: z.array(
    z.object({
      at: z.string(),
      actor: z.string(),
      address: z.string(),
      action: z.string(),
      clientId: z.string().nullable(),
      path: z.string().nullable(),
      downloadId: z.string().nullable(),
      status: z.int(),
      /** Of what was refused. */
      code: z.string().nullable(),
    }),
  ),
  next: z.string().nullable(),
})
export type AuditList = z.infer<typeof auditListSchema>
