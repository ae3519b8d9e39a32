import { z } from 'zod'
import { eventTypes } from '../../shared/events.ts'
import { isPlainText } from '../../shared/plain-text.ts'
import {
  clientIdSchema,
  defaults,
  labelKeyPattern,
  pathSchema,
  statuses,
  visiblePattern,
} from '../../shared/protocol.ts'

/** What queries and headers are checked with, and described by. Made once: zod takes its time to make them. */

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const cursor = integer(1, Number.MAX_SAFE_INTEGER).describe('What the page before this one had as `next`.')
/** What stores give out; which of these are known, they know. */
const position = z.string().regex(/^\d{1,20}[.-]\d{1,20}$/, 'must be the id of an event')
const digest = z.string().describe('As RFC 9530 has it: `sha-256=:BASE64:`.')

export const queries = {
  client: clientIdSchema.describe("A client's id."),
  seen: integer(0, Number.MAX_SAFE_INTEGER).describe(
    'The revision that the caller has; other news are answered at once.',
  ),
  attempt: integer(1, Number.MAX_SAFE_INTEGER).describe('The attempt under way.'),
  from: integer(0, Number.MAX_SAFE_INTEGER).describe('Where the page begins, in bytes; 0 without it.'),
  limit: integer(1, 1000).describe('Entries at most; 100 without it.'),
  cursor,
  statuses: z
    .array(z.enum(statuses))
    .min(1)
    .meta({ description: 'One or several, with commas between.', explode: false }),
  download: z.uuid().describe('The id of a download.'),
  eventTypes: z
    .array(z.enum(eventTypes))
    .min(1)
    .meta({ description: 'One or several, with commas between.', explode: false }),
  since: position.describe('The `id` of the last event that the caller has had; as `Last-Event-ID`, for curl.'),
  search: z
    .string()
    .min(1)
    .max(64)
    .refine(isPlainText, 'must not contain control characters')
    .describe("A part of a client's id, in letters of any case."),
  clientCursor: clientIdSchema.describe('What the page before this one had as `next`.'),
  clientLimit: integer(1, 1000).describe('Clients at most; all without it.'),
  batch: z.string().describe('The id of a batch.'),
  note: z.string().describe('The whole note.'),
  label: z
    .array(z.string().regex(new RegExp(`${labelKeyPattern.source.slice(0, -1)}=`), 'must read key=value'))
    .describe('`key=value`, any number of times: what carries all of them.'),
  redirect: z.enum(['true', 'false']).describe('`true`: 307 to the store, where it hands out the file itself.'),
  shown: z.enum(['online', 'offline', 'all']).describe('`online` without it.'),
  outdated: z.enum(['true', 'false']).describe('Whether the agent is older than the release of this server.'),
  path: pathSchema.describe("A path at the client's site."),
  wait: integer(0, 300).describe('Seconds to wait for the transfer to begin; 25 without it.'),
  actor: z.string().describe('Who it was, as the entries have it.'),
} as const

export const fields = {
  prefer: z
    .string()
    .describe('`wait=SECONDS` (RFC 7240): hold the answer until there is news, 300 s at most.')
    .meta({ examples: ['wait=25'] }),
  session: z.string().regex(visiblePattern).describe('What POST /sessions has answered.'),
  attempt: integer(1, Number.MAX_SAFE_INTEGER).describe('The attempt that a chunk is of.'),
  contentRange: z
    .string()
    .describe('`bytes FIRST-LAST/SIZE`: where a chunk belongs. Without it the body is the whole file.'),
  contentDigest: digest,
  chunkDigest: z
    .string()
    .describe('Of the bytes as they are, before they are encoded: `sha-256=:BASE64:` or `crc32=:BASE64:`.'),
  chunkEncoding: z.enum(['identity', ...defaults.encodings]).describe('How the bytes of a chunk are encoded.'),
  reprDigest: digest.describe('Of the whole file: `sha-256=:BASE64:`.'),
  idempotencyKey: z
    .string()
    .max(200)
    .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII characters')
    .describe('The same request with the same key is done once.'),
  lastEventId: position.describe('The `id` of the last event that the caller has had.'),
  ifNoneMatch: z.string().describe('An `ETag` that the caller has.'),
  range: z
    .string()
    .describe('`bytes=FIRST-LAST`: one range of the bytes.')
    .meta({ examples: ['bytes=0-1023'] }),
  ifRange: z.string().describe('The `ETag` of the bytes that the caller has the rest of.'),
} as const
