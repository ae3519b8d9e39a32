import type { Event, EventType } from '../../../shared/events.ts'

/** In ms: when a stream that was refused is asked for again. Broken ones browsers open again by themselves. */
const AGAIN = 3_000

/** One that is missing here does not compile. */
const types: Record<EventType, true> = {
  'download.queued': true,
  'download.begun': true,
  'download.requeued': true,
  'download.verifying': true,
  'download.completed': true,
  'download.failed': true,
  'download.expired': true,
  'download.cancelled': true,
  'download.retried': true,
  'download.removed': true,
  'client.connected': true,
}

/** Events of the server, while somebody looks. */
export interface Live {
  /** Opens the stream, if it is not open. */
  start(): void
  stop(): void
  isOpen(): boolean
}

export function createLive({
  told,
  changed,
}: {
  /** An event; undefined when it is not known what has happened. */
  told: (event: Event | undefined) => void
  /** The stream was opened, or broke. */
  changed: () => void
}): Live {
  let source: EventSource | undefined
  let open = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const is = (now: boolean): void => {
    if (open === now) return
    open = now
    changed()
  }

  const begin = (): void => {
    timer = undefined
    const stream = new EventSource('/events')
    source = stream
    stream.addEventListener('open', () => is(true))
    stream.addEventListener('error', () => {
      is(false)
      if (stream.readyState !== EventSource.CLOSED || source !== stream) return
      source = undefined
      timer = setTimeout(begin, AGAIN)
    })
    stream.addEventListener('reset', () => told(undefined))
    for (const type of Object.keys(types)) {
      stream.addEventListener(type, ({ data }: MessageEvent<string>) => told(JSON.parse(data) as Event))
    }
  }

  return {
    start() {
      if (!source && timer === undefined) begin()
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
      source?.close()
      source = undefined
      is(false)
    },
    isOpen: () => open,
  }
}
