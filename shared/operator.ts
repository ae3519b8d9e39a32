import { z } from 'zod'
import { isPlainText } from './plain-text.ts'
import {
  clientIdSchema,
  FILE_KIND,
  labelsSchema,
  pathSchema,
  policies,
  rangeSchema,
  statuses,
  updateStates,
} from './protocol.ts'

/** What operators send and get: the API that curl, the CLI and pages use. */
const seconds = z
  .int()
  .min(1)
  .max(365 * 24 * 3600)

export const downloadRequestSchema = z
  .strictObject({
    clientId: clientIdSchema.optional(),
    /** Several clients at once, or "*" for every known one. */
    clientIds: z.union([z.array(clientIdSchema).min(1).max(10_000), z.literal('*')]).optional(),
    /** With clientIds "*": only clients that carry all of these labels. */
    labels: labelsSchema.optional(),
    /** null, as in answers, is the client's default file. */
    path: pathSchema.nullish(),
    kind: z.literal(FILE_KIND).optional(),
    priority: z.int().min(-100).max(100).optional(),
    policy: z.enum(policies).optional(),
    expiresIn: seconds.optional(),
    note: z.string().max(1000).refine(isPlainText, 'must not contain control characters').optional(),
  })
  .refine((body) => (body.clientId === undefined) !== (body.clientIds === undefined), {
    message: 'say either clientId or clientIds',
    path: ['clientId'],
  })
  .refine((body) => body.labels === undefined || body.clientIds === '*', {
    message: 'goes with clientIds "*" only',
    path: ['labels'],
  })
export type DownloadRequest = z.infer<typeof downloadRequestSchema>

export const downloadSchema = z.object({
  id: z.string(),
  /** The same as `id`, by the name that older systems gave it. */
  requestId: z.string(),
  clientId: z.string(),
  kind: z.string(),
  path: z.string().nullable(),
  fileName: z.string().nullable(),
  status: z.enum(statuses),
  reason: z.string().nullable(),
  detail: z.string().nullable(),
  priority: z.int(),
  policy: z.string(),
  note: z.string().nullable(),
  batchId: z.string().nullable(),
  /** The name of the token that it was asked for with; null where nobody needs one. */
  askedBy: z.string().nullable(),
  attempt: z.int(),
  size: z.int().nullable(),
  bytesReceived: z.int(),
  bytesResent: z.int(),
  /** Whole percent, 0 to 100; null while the size is not known. */
  progress: z.int().nullable(),
  verified: z.boolean(),
  sha256: z.string().nullable(),
  filePath: z.string().nullable(),
  sourcePath: z.string().nullable(),
  sourceModifiedAt: z.string().nullable(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  completedAt: z.string().nullable(),
  expiresAt: z.string(),
})
export type Download = z.infer<typeof downloadSchema>

export const downloadListSchema = z.object({
  downloads: z.array(downloadSchema),
  count: z.int(),
  next: z.string().nullable(),
})
export type DownloadList = z.infer<typeof downloadListSchema>

/** Where the bytes of the newest attempt are: from `start` up to, not including, `end`, in order. */
export const downloadMapSchema = z.object({
  attempt: z.int(),
  size: z.int().nullable(),
  received: z.array(rangeSchema).describe('Durable, as of a moment ago.'),
  receiving: z
    .array(rangeSchema.extend({ bytes: z.int() }))
    .describe('On its way to the server that answers, of which so many bytes have come.'),
  resent: z.array(rangeSchema).describe('What came again, or in vain, as far as the server that answers remembers.'),
  joined: z
    .boolean()
    .describe('There are more ranges than are told: those with the smallest gaps between them are told as one.'),
})
export type DownloadMap = z.infer<typeof downloadMapSchema>

export const batchSchema = z.object({ batchId: z.string(), count: z.int(), downloads: z.array(downloadSchema) })
export type Batch = z.infer<typeof batchSchema>

/** How far an order is, from when it is given. */
export const updateOrderStates = ['ordered', ...updateStates] as const
export type UpdateState = (typeof updateOrderStates)[number]
/** States that an order is left in. */
export const finalUpdateStates: readonly UpdateState[] = ['installed', 'failed']

export const updateSchema = z.object({
  id: z.string(),
  version: z.string(),
  state: z.enum(updateOrderStates),
  /** Of one that failed: why. */
  detail: z.string().nullable(),
  orderedAt: z.string(),
  changedAt: z.string(),
})
export type Update = z.infer<typeof updateSchema>

export const clientSchema = z.object({
  id: z.string(),
  status: z.enum(['online', 'offline']),
  connectedAt: z.string().nullable(),
  lastSeen: z.string().nullable(),
  /** The same as `lastSeen`, by the name that older systems gave it. */
  lastHeartbeat: z.string().nullable(),
  agent: z.object({ version: z.string(), platform: z.string(), hostname: z.string() }).nullable(),
  /** The agent's, if there is one. Servers before updates tell none of these four. */
  version: z.string().nullable().default(null),
  /** Older than the release of this server. */
  outdated: z.boolean().default(false),
  /** Can be updated from here. */
  updates: z.boolean().default(false),
  /** The newest order, however it stands. */
  update: updateSchema.nullable().default(null),
  shared: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  /** Sessions refused because another agent was alive under the same id. */
  conflicts: z.object({ count: z.int(), lastAt: z.string().nullable(), lastHostname: z.string().nullable() }),
})
export type Client = z.infer<typeof clientSchema>

export const clientListSchema = z.object({
  clients: z.array(clientSchema),
  count: z.int(),
  /** What the next page begins after. Servers before pages gave all at once. */
  next: z.string().nullable().default(null),
})
export type ClientList = z.infer<typeof clientListSchema>

/** How many there are of what, of what the caller may see. */
export const overviewSchema = z.object({
  at: z.string(),
  /** The server's. */
  version: z.string(),
  clients: z.object({ known: z.int(), online: z.int() }),
  downloads: z.object({ queued: z.int(), transferring: z.int(), verifying: z.int() }),
})
export type Overview = z.infer<typeof overviewSchema>
