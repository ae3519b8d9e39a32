import { z } from 'zod'
import { statuses } from './protocol.ts'

/** What can happen, as GET /events tells it. */
export const eventTypes = [
  'download.queued',
  /** An attempt begins, or goes on after a retry. */
  'download.begun',
  /** An attempt was given up; the download waits for another. */
  'download.requeued',
  'download.verifying',
  'download.completed',
  'download.failed',
  'download.expired',
  'download.cancelled',
  /** One that had ended is queued again. */
  'download.retried',
  /** The finished file was removed. */
  'download.removed',
  /** An agent began a session. */
  'client.connected',
] as const
export type EventType = (typeof eventTypes)[number]

/** The data of one event; null is what does not go with its type. */
export const eventSchema = z.object({
  /** The position after it: what `Last-Event-ID` and `since` take. */
  id: z.string(),
  type: z.enum(eventTypes),
  at: z.string(),
  clientId: z.string(),
  downloadId: z.string().nullable(),
  attempt: z.int().nullable(),
  status: z.enum(statuses).nullable(),
  reason: z.string().nullable(),
  size: z.int().nullable(),
  bytesReceived: z.int().nullable(),
  bytesResent: z.int().nullable(),
  /** Of a completed download. */
  sha256: z.string().nullable(),
  /** The agent's, of `client.connected`. */
  version: z.string().nullable(),
  /** Of `client.connected`: whether the client had a session before. */
  replaced: z.boolean().nullable(),
})
export type Event = z.infer<typeof eventSchema>

export const eventListSchema = z.object({ events: z.array(eventSchema), next: z.string().nullable() })
export type EventList = z.infer<typeof eventListSchema>
