import { AsyncLocalStorage } from 'node:async_hooks'
import { coalesce } from '../../shared/coalesce.ts'
import { AppError } from '../../shared/errors.ts'
import { pause } from '../../shared/wait.ts'
import type { EventRecord, EventStore, Position } from '../event-ports.ts'
import { createRecentEvents, type RecentEvents } from './recent-events.ts'
import type { Waiting } from './waiting.ts'

/**
 * In ms: how often the log is read while somebody listens. What this server changes itself is read at once, unless it
 * changed something within this time before: however much happens, listeners cost little.
 */
const READ_EVERY = 1_000
/** In ms: a listener that was told nothing for so long is told where it stands. */
const BEAT_EVERY = 15_000
/** In ms: a listener comes again after so long at the latest, as another server may have less to do. */
const LONGEST = 60 * 60_000
const MOST_LISTENERS = 500
const PAGE = 500
/** Events in memory: a listener that is further behind reads the log by itself. */
const KEPT = 2_000
/** Events that a listener is told together, and holds until it has taken them: all who may listen can be behind. */
const HELD = 100

/** Events, in their order, or where the listener stands; `lost` says that nobody knows what came before that. */
export type Told = { events: readonly EventRecord[] } | { position: Position; lost: boolean }

export interface ListenOptions {
  /** Where the listener stands; undefined for one that begins now. */
  since: Position | undefined
  wants: (event: EventRecord) => boolean
  /** Aborts when the listener has gone. */
  signal: AbortSignal
}

export interface Events {
  /**
   * Tells what happens, from where a listener stands, until it goes, the server stops, or an hour has passed: it comes again
   * with the last position that it was told. The first that is told is where it stands. It is asked for what comes next
   * only once it has taken what came before: one that does not read costs no memory.
   * @throws AppError `too-many-listeners`, `shutting-down`
   */
  listen(options: ListenOptions): Promise<AsyncIterable<Told>>
  /** Something has happened: whoever listens hears of it in a moment. */
  changed(): void
  ofDownload: EventStore['ofDownload']
}

/** One reader of the log for all who listen; nobody reads it while nobody listens. */
export function createEvents(deps: {
  events: EventStore
  waiting: Waiting
  report: (error: unknown, what: string) => void
}): Events {
  const { events: store, waiting, report } = deps
  const listeners = new Set<() => void>()
  let recent: RecentEvents | undefined
  let timer: NodeJS.Timeout | undefined
  let changedAt = -Infinity

  const read = coalesce(async () => {
    for (let more = true; more && recent;) {
      const mine = recent
      const page = await store.after(mine.newest(), PAGE)
      more = page?.length === PAGE
      if (page) mine.add(page)
      // Another database by now: those who listen find out by themselves.
      else recent = undefined
      if (page?.length === 0) return
      for (const rouse of listeners) rouse()
    }
  })

  /** From now on what is new is kept; who stands before that looks into the log. */
  const begin = async (): Promise<void> => {
    if (recent) return
    const from = await store.newest()
    recent ??= createRecentEvents(from, KEPT)
    for (const rouse of listeners) rouse()
  }

  let isTold = false
  // It is read for all who listen: what is said of it is no part of the request of whoever came first.
  const readOrReport = AsyncLocalStorage.bind(async (): Promise<void> => {
    readIn(READ_EVERY)
    try {
      await begin()
      await read()
      isTold = false
    } catch (error) {
      if (!isTold) report(error, 'the log of events cannot be read now; it is tried again')
      isTold = true
    }
  })

  const readIn = (ms: number): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void readOrReport(), ms)
  }

  const join = (rouse: () => void): (() => void) => {
    listeners.add(rouse)
    if (!timer) readIn(READ_EVERY)
    const unwatch = waiting.watch([], rouse)
    return () => {
      unwatch()
      listeners.delete(rouse)
      if (listeners.size > 0) return
      clearTimeout(timer)
      timer = undefined
      recent = undefined
    }
  }

  async function* tell({ since, wants, signal }: ListenOptions & { since: Position }, leave: () => void, bell: Bell) {
    let position = since
    const end = performance.now() + LONGEST * (1 - Math.random() / 4)
    let beat = performance.now() + BEAT_EVERY
    try {
      yield { position, lost: false }
      while (!signal.aborted && !waiting.stopped() && performance.now() < end) {
        bell.reset()
        const page = recent?.after(position, HELD) ?? (await store.after(position, HELD))
        if (!page) {
          position = await store.newest()
          yield { position, lost: true }
        }
        position = page?.at(-1)?.position ?? position
        const events = page?.filter(wants) ?? []
        if (events.length > 0) {
          beat = performance.now() + BEAT_EVERY
          yield { events }
        }
        if (page?.length === 0) await bell.wait(beat - performance.now())
        if (performance.now() < beat) continue
        beat = performance.now() + BEAT_EVERY
        yield { position, lost: false }
      }
    } catch (error) {
      report(error, 'somebody who listens to events is let go, and comes again')
    } finally {
      leave()
    }
  }

  return {
    async listen(options) {
      waiting.checkGoingOn()
      if (listeners.size >= MOST_LISTENERS)
        throw new AppError('too-many-listeners', `${MOST_LISTENERS} listen to this server's events already.`)
      const bell = createBell()
      const leave = join(bell.ring)
      // It may be gone before it was told anything.
      options.signal.addEventListener('abort', () => (leave(), bell.ring()), { once: true })
      try {
        await begin()
        return tell({ ...options, since: options.since ?? (await store.newest()) }, leave, bell)
      } catch (error) {
        leave()
        throw error
      }
    },

    changed() {
      const before = changedAt
      changedAt = performance.now()
      if (listeners.size > 0 && changedAt - before >= READ_EVERY) readIn(0)
    },

    ofDownload: store.ofDownload,
  }
}

interface Bell {
  ring: () => void
  /** What rang before does not count. */
  reset(): void
  /** Resolves when it rings, or after `ms`. */
  wait(ms: number): Promise<void>
}

function createBell(): Bell {
  let rung = new AbortController()
  return {
    ring: () => rung.abort(),
    reset() {
      if (rung.signal.aborted) rung = new AbortController()
    },
    wait: (ms) => pause(ms, rung.signal),
  }
}
