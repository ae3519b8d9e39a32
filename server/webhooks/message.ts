import { presentEvent } from '../http/present-event.ts'
import type { Present } from '../http/present.ts'
import type { EventRecord, Position } from '../event-ports.ts'
import type { DownloadRecord } from '../ports.ts'

/** The same at every attempt, so that a receiver knows what it has had; Standard Webhooks wants no full stop in it. */
export const messageId = (event: Position): string => `evt_${event.replace('.', '-')}`

/** What is sent: the event as GET /events tells it, with the download as GET /downloads/ID does. */
export function messageOfEvent(
  event: EventRecord,
  download: DownloadRecord | undefined,
  present: Pick<Present, 'download'>,
): string {
  const data = presentEvent(event)
  return JSON.stringify({
    type: data.type,
    timestamp: data.at,
    data: { ...data, download: download ? present.download(download) : null },
  })
}
