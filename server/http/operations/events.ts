import type { Operations } from '../operation.ts'
import { fields, queries } from '../parameters.ts'

/** What happens, and what has happened. */
export const eventOperations: Operations = {
  'GET /events': {
    id: 'listenToEvents',
    access: 'reader',
    summary: 'What happens, as it happens; goes on from the last event that the caller has had',
    query: {
      client: queries.client.optional(),
      download: queries.download.optional(),
      type: queries.eventTypes.optional(),
      since: queries.since.optional(),
    },
    headers: { 'Last-Event-ID': fields.lastEventId.optional() },
    answers: { 200: 'events' },
    problems: ['too-many-listeners', 'shutting-down'],
  },
  'GET /downloads/{id}/events': {
    id: 'listEventsOfDownload',
    access: 'reader',
    of: 'download',
    summary: 'What has happened to a download, oldest first',
    query: { limit: queries.limit.optional(), cursor: queries.cursor.optional() },
    answers: { 200: 'EventList' },
  },
}
