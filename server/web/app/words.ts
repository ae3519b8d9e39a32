import type { EventType } from '../../../shared/events.ts'
import type { Policy, Status } from '../../../shared/protocol.ts'

/** The words of the page for what the API has names for. A name that is missing here does not compile. */
export const statusWords: Record<Status, string> = {
  queued: 'Queued',
  transferring: 'Transferring',
  verifying: 'Verifying',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired',
}

/** Statuses that something leaves by itself. */
export const moving: readonly Status[] = ['queued', 'transferring', 'verifying']

export const policyWords: Record<Policy, string> = {
  fail: 'fail if the file changes',
  restart: 'begin again if it changes',
  prefix: 'take what was there at the beginning, of a file that only grows',
  'size-only': 'go by its size alone',
  reread: 'read it a second time at the end',
}

export const eventWords: Record<EventType, string> = {
  'download.queued': 'Queued',
  'download.begun': 'An attempt begins',
  'download.requeued': 'The attempt was given up, and another will follow',
  'download.verifying': 'Every byte is there; verifying',
  'download.completed': 'Completed',
  'download.failed': 'Failed',
  'download.expired': 'Expired',
  'download.cancelled': 'Cancelled',
  'download.retried': 'Queued again',
  'download.removed': 'The file was removed',
  'client.connected': 'The agent connected',
}
