import { z } from 'zod'
import { isPlainText } from './plain-text.ts'

/** What server and agent must agree on. The normative text is docs/PROTOCOL.md. */
export const PROTOCOL = 1

/** The kinds of job that this version knows. An agent fails any other as `unsupported`. */
export const FILE_KIND = 'file'

export const headers = {
  session: 'Agent-Session',
  attempt: 'Attempt',
  contentRange: 'Content-Range',
  contentDigest: 'Content-Digest',
  chunkDigest: 'Chunk-Digest',
  chunkEncoding: 'Chunk-Encoding',
  reprDigest: 'Repr-Digest',
  uploadLimit: 'Upload-Limit',
  spread: 'Reconnect-Spread',
  sessionToken: 'Session-Token',
} as const

const KiB = 1024
const MiB = 1024 * KiB

/** How a chunk's bytes may be digested. */
export const chunkAlgorithms = ['sha-256', 'crc32'] as const
export type ChunkAlgorithm = (typeof chunkAlgorithms)[number]

/** How a chunk's bytes may be encoded on the way. */
export const chunkEncodings = ['zstd'] as const

/** What a server tells an agent at the beginning of a session: bytes, connections, seconds. */
export const defaults = {
  chunk: { min: 64 * KiB, max: 64 * MiB, preferred: 4 * MiB },
  parallel: 4,
  maxParallel: 64,
  digests: chunkAlgorithms,
  encodings: chunkEncodings,
  waitSeconds: 25,
  expiresInSeconds: 7 * 24 * 3600,
} as const

/** A site's id: also a part of file names and URLs, so nothing else is let in. */
export const clientIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
export const clientIdSchema = z
  .string()
  .regex(clientIdPattern, 'must be 1 to 64 of A-Z a-z 0-9 . _ - and start with a letter or digit')

/** A path at the site, at most 4,096 bytes; a name may hold anything but NUL, as on Linux. */
export const pathSchema = z
  .string()
  .min(1)
  .refine((path) => Buffer.byteLength(path) <= 4096, 'must be at most 4096 bytes')
  .refine((path) => !path.includes('\0'), 'must not contain NUL')

const labelSchema = z.string().min(1).max(100).refine(isPlainText, 'must not contain control characters')
export const labelKeyPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/
export const labelsSchema = z
  .record(z.string().regex(labelKeyPattern, 'must be 1 to 63 of A-Z a-z 0-9 . _ / -'), labelSchema)
  .refine((labels) => Object.keys(labels).length <= 32, 'must be at most 32 labels')

/**
 * How a job meets a source that changes: `fail`; `restart` from the new version; `prefix`, the size at begin of a file
 * that only grows; `size-only`, for file systems whose times wobble; `reread`, hash the source a second time at the end.
 */
export const policies = ['fail', 'restart', 'prefix', 'size-only', 'reread'] as const
export type Policy = (typeof policies)[number]

/** Those of a download that has not ended. */
export const unfinishedStatuses = ['queued', 'transferring', 'verifying'] as const
export const statuses = [...unfinishedStatuses, 'completed', 'failed', 'cancelled', 'expired'] as const
export type Status = (typeof statuses)[number]

/** Statuses that nothing leaves but a retry. */
export const finalStatuses: readonly Status[] = ['completed', 'failed', 'cancelled', 'expired']
/** Statuses in which a job is the agent's to work on. */
export const openStatuses: readonly Status[] = ['queued', 'transferring']

export const failureCodes = [
  'not-found',
  'not-allowed',
  'denied',
  'hidden',
  'not-a-file',
  'locked',
  'changed',
  'damaged',
  'proxy-limit',
  'io-error',
  'unsupported',
] as const
export type FailureCode = (typeof failureCodes)[number]

const size = z.int().min(0)
export const rangeSchema = z.strictObject({ start: size, end: size })
const attempt = z.int().min(1)
const chunkDigest = z.string().regex(/^([0-9a-f]{64}|crc32:[0-9a-f]{8})$/, 'must be a SHA-256 or CRC-32')
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex')

export const sessionRequestSchema = z.strictObject({
  protocol: z.int().min(1),
  clientId: clientIdSchema,
  /** Random for every session begun; the same instance asked again gets its session again. */
  instance: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 to 64 of A-Z a-z 0-9 _ -'),
  takeover: z.boolean(),
  agent: z.strictObject({
    version: z.string().max(100).refine(isPlainText),
    platform: z.string().max(100).refine(isPlainText),
    hostname: z.string().max(255).refine(isPlainText),
    /** Whether it can be updated from here: it is a service that was installed by the script, and the site allows it. */
    updates: z.boolean().optional(),
  }),
  /** What the site shares, for people to read; it gives the server no rights. */
  shared: z.array(pathSchema).max(100),
  labels: labelsSchema.default({}),
})
export type SessionRequest = z.infer<typeof sessionRequestSchema>

/** What is fit for a header, and for its limits. */
export const visiblePattern = /^[\x21-\x7e]{1,900}$/
const visible = z.string().regex(visiblePattern)

export const sessionSchema = z.object({
  protocol: z.int(),
  session: visible,
  wait: z.number(),
  chunk: z.object({ min: z.int(), max: z.int(), preferred: z.int() }),
  parallel: z.int().min(1),
  spread: z.number(),
  /** What the calls of this session are authenticated with, where the server wants that. */
  token: visible.optional(),
})
export type Session = z.infer<typeof sessionSchema>

export const jobSchema = z.object({
  id: z.string(),
  protocol: z.int(),
  kind: z.string(),
  path: z.string().nullable(),
  policy: z.string(),
  /** For whom: for the log that the site keeps. */
  askedBy: z.string().nullish(),
  priority: z.int(),
  status: z.enum(statuses),
  attempt: z.int(),
})
export type Job = z.infer<typeof jobSchema>

/** Of an agent, as its release names it. */
export const versionPattern = /^[0-9A-Za-z.+-]{1,60}$/
const version = z.string().regex(versionPattern, 'must be 1 to 60 of 0-9 A-Z a-z . + -')

/** An order of the operator's: this agent is to become that version. */
export const updateOrderSchema = z.object({ id: z.string(), version })
export type UpdateOrder = z.infer<typeof updateOrderSchema>

export const jobsSchema = z.object({
  rev: z.int(),
  jobs: z.array(jobSchema),
  /** There until the agent has said how it ended. */
  update: updateOrderSchema.optional(),
})

/** `fetched` is waiting to be installed; the other two are how an order ends. */
export const updateStates = ['fetching', 'fetched', 'installed', 'failed'] as const

/** What an agent tells of an order. */
export const updateReportSchema = z.strictObject({
  id: z.string(),
  state: z.enum(updateStates),
  /** Of one that failed: what happened, in a line. */
  detail: z.string().max(1000).refine(isPlainText).optional(),
})
export type UpdateReport = z.infer<typeof updateReportSchema>

export const beginRequestSchema = z.strictObject({
  /** The agent's validator of the opened file; compared byte by byte and never parsed. */
  source: z.string().min(1).max(200),
  size,
  path: pathSchema.optional(),
  modified: z.iso.datetime({ offset: true }).optional(),
})
export type BeginRequest = z.infer<typeof beginRequestSchema>

export const beginSchema = z.object({
  id: z.string(),
  attempt,
  size,
  received: z.array(rangeSchema),
  chunk: z.object({ min: z.int(), max: z.int(), preferred: z.int() }),
  parallel: z.int().min(1),
  /** Chunks in flight at once, at most, for an agent that measures what the line gives. */
  maxParallel: z.int().min(1).optional(),
  /** How chunks may be digested; what an agent does not know is passed over. */
  digests: z.array(z.string()).default(['sha-256']),
  /** How chunks may be encoded on the way. */
  encodings: z.array(z.string()).default([]),
  /** Whether chunks may go straight to the store. */
  direct: z.boolean().default(false),
})
export type Begun = z.infer<typeof beginSchema>

export const completeRequestSchema = z.strictObject({ attempt, size, sha256: digest })
export type CompleteRequest = z.infer<typeof completeRequestSchema>

export const failRequestSchema = z.strictObject({
  attempt: z.int().min(0).optional(),
  code: z.enum(failureCodes),
  detail: z.string().max(1000).optional(),
})
export type FailRequest = z.infer<typeof failRequestSchema>

export const jobStateSchema = z.object({
  id: z.string(),
  status: z.enum(statuses),
  attempt: z.int(),
  size: size.nullable(),
  received: z.array(rangeSchema),
  reason: z.string().nullable(),
})
export type JobState = z.infer<typeof jobStateSchema>

/** How many durable chunks `GET /jobs/ID/chunks` tells at once. */
export const CHUNKS_PER_PAGE = 1000

export const chunksSchema = z.object({
  attempt,
  chunks: z.array(z.strictObject({ start: size, end: size, digest: chunkDigest })),
  /** Where the next page begins, or null on the last. */
  next: size.nullable(),
})
export type ChunksPage = z.infer<typeof chunksSchema>

/** The MD5 of 16 bytes in Base64, as Content-MD5 has it (RFC 1864): what an object store checks a body with. */
const md5 = z.string().regex(/^[A-Za-z0-9+/]{22}==$/, 'must be an MD5 in Base64')

/** Asks where a chunk may be sent that does not pass through the server. */
export const directRequestSchema = z.strictObject({ attempt, start: size, end: size, digest: chunkDigest, md5 })
export type DirectRequest = z.infer<typeof directRequestSchema>

export const directSchema = z.object({
  /** Takes the bytes by PUT, with exactly these headers; who has it needs nothing else. */
  url: z.string().max(8192),
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]{1,100}$/), z.string().regex(/^[\x20-\x7e]{0,1000}$/)),
  tag: z.string(),
  /** Until when the URL is good. */
  expires: z.string(),
})
export type Direct = z.infer<typeof directSchema>

/** Says that a chunk lies in the store. */
export const directCommitSchema = z.strictObject({
  attempt,
  start: size,
  end: size,
  digest: chunkDigest,
  tag: z.string().regex(/^[A-Za-z0-9_-]{8,100}$/, 'must be the tag that came with the URL'),
  /** Of the whole file, where the agent knows it by now. */
  sha256: digest.optional(),
})
export type DirectCommit = z.infer<typeof directCommitSchema>

/** An answer of ours that is no success: RFC 9457, told from a proxy's by its `code`. */
export const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
})
export type Problem = z.infer<typeof problemSchema>
