import { SLOWEST, unlimited, type Bandwidth } from './bandwidth.ts'
import { createBucket, realClock, type Clock, type Group } from './bucket.ts'
import { createLine } from './line.ts'
import { createProbe, type Probe } from './probe.ts'

/** The right to have one upload open. */
export interface Pass {
  /** Aborts when the upload must end at once: what is in force now would hold it up for too long. */
  readonly signal: AbortSignal
  /** As soon as the limit lets some through, how many of `wanted` bytes to send next; 0 when the upload has ended. */
  take(wanted: number): Promise<number>
  /** To be called at the end, in any case. @param answered whether the server answered */
  leave(answered: boolean): void
}

/** A limit on the bodies of all uploads of the agent together, which jobs share evenly. */
export interface Limiter {
  /** In force from this moment on, for what is open as well. */
  set(limit: Bandwidth): void
  /**
   * Waits until one more upload may be open.
   * @param upload `bytes` of its body, and the `job` that it belongs to
   * @throws the signal's reason
   */
  admit(upload: { bytes: number; job: string; signal: AbortSignal }): Promise<Pass>
  /** Bytes of a chunk that passes in reasonable time; Infinity without a limit. Longer ones may be cut as soon as let in. */
  chunk(): number
  /** Bytes that chunks should have, so that probes of the line take long enough to tell; undefined where there are none. */
  preferred(): number | undefined
  /** Uploads that may be open at once, 2 or more; Infinity without a limit. */
  connections(): number
  /** Bytes per second: Infinity without a limit, 0 when nothing may be sent. */
  rate(): number
  /** Bytes per second that the line was found to give, once a share needed to know. */
  line(): number | undefined
}

interface Job extends Group {
  open: number
  /** Uploads that are open or wait. */
  uploads: number
}

interface Upload {
  job: Job
  /** Bytes that were not taken yet. */
  left: number
  takenAt: number
  cut: AbortController
}

const SMALLEST_CHUNK = 64 * 1024
/** What is open at once passes in about this time, in s; in a share of the line it may take longer. */
const OPEN_S = 30
const OPEN_OF_SHARE_S = 200
/** So many times as long as it should be, a probe is given up. */
const LATE = 2
/** Bytes per second that a connection should have, so that it is worth having. */
const PER_CONNECTION = 32 * 1024
/** One sends while the other waits for its answer. */
const FEWEST = 2
const MOST = 16
const MOST_OF_SHARE = 8
/** An open upload must be through in this time, in s: well within the limits on its request. */
const LONGEST_S = 300
/** And move this often, in s: not even a server or proxy that waits for it must take it for dead. */
const MOVES_S = 4

/** Without a limit until one is set. */
export function createLimiter({ clock = realClock }: { clock?: Clock } = {}): Limiter {
  const bucket = createBucket({ clock })
  const line = createLine(clock)
  const jobs = new Map<string, Job>()
  const open = new Set<Upload>()
  const waiting = new Set<{ job: Job; enter: () => void }>()
  let limit = unlimited
  let probe: Probe | undefined

  const rate = (): number => ('rate' in limit ? limit.rate : Math.max(SLOWEST, limit.share * line.speed()))

  /** Bytes that may be open at once: no more is lost when the line breaks, and a probe, which lets them pass, is short. */
  const mostOpen = (): number => {
    if ('rate' in limit) return limit.rate * OPEN_S
    return line.speed() * Math.min(line.probeSeconds(), limit.share * OPEN_OF_SHARE_S)
  }

  const connections = (): number => {
    if (rate() === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const worth = 'share' in limit ? mostOpen() / SMALLEST_CHUNK : rate() / PER_CONNECTION
    return Math.max(FEWEST, Math.min('share' in limit ? MOST_OF_SHARE : MOST, Math.floor(worth)))
  }

  const chunk = (): number => {
    // What waits while nothing is sent need not be small afterwards.
    if (rate() === 0) return Number.POSITIVE_INFINITY
    return Math.max(SMALLEST_CHUNK, Math.floor(mostOpen() / Math.min(MOST, connections())))
  }

  const close = (upload: Upload): void => {
    if (open.delete(upload)) upload.job.open -= 1
  }

  const isTooSlow = ({ left }: Upload): boolean => {
    // Bytes that the kernel has still to send may be many seconds of a slow line.
    if (rate() === 0) return true
    const each = rate() / open.size
    return left > 0 && (left > each * LONGEST_S || bucket.slice() > each * MOVES_S)
  }

  /** @returns whether it was too slow */
  const cutIfTooSlow = (upload: Upload): boolean => {
    if (!isTooSlow(upload)) return false
    close(upload)
    upload.cut.abort(new Error('the limit holds it up for too long'))
    return true
  }

  /** Ends what would take too long now, the longest first, until the rest has enough. */
  const cutTooSlow = (): void => {
    for (const upload of [...open].toSorted((a, b) => b.left - a.left)) if (!cutIfTooSlow(upload)) return
  }

  const hasRoom = (): boolean => rate() > 0 && !probe && open.size < connections()

  const letIn = (): void => {
    while (waiting.size > 0 && hasRoom()) {
      // The sort is stable: among jobs with as many open, first come, first served.
      const [next] = [...waiting].toSorted((a, b) => a.job.open - b.job.open)
      next?.enter()
    }
  }

  const apply = (): void => {
    bucket.setRate(rate())
    cutTooSlow()
    letIn()
  }

  const probeIfDue = (): void => {
    if (probe || !('share' in limit) || !line.due()) return
    probe = createProbe({ clock, open, lateMs: LATE * line.probeSeconds() * 1000 })
    bucket.setRate(Number.POSITIVE_INFINITY)
  }

  const endProbeIfOver = (): void => {
    if (!probe?.isOver() || !('share' in limit)) return
    line.probed({ share: limit.share, tookMs: probe.tookMs(), carried: probe.carried() })
    probe = undefined
    apply()
  }

  /** @param whole whether all of it was sent and answered */
  const measure = (upload: Upload, whole: boolean): void => {
    if (probe?.ended(upload, whole)) endProbeIfOver()
    else if (whole && 'share' in limit) line.answered(clock.now() - upload.takenAt)
  }

  const toPass = (upload: Upload, leaveJob: () => void): Pass => {
    const { job, cut } = upload
    const gone = new AbortController()
    const over = AbortSignal.any([cut.signal, gone.signal])
    return {
      signal: cut.signal,
      async take(wanted) {
        if (over.aborted) return 0
        probeIfDue()
        endProbeIfOver()
        const bytes = await bucket.take(wanted, job, over)
        upload.left -= bytes
        upload.takenAt = clock.now()
        return bytes
      },
      leave(answered) {
        if (gone.signal.aborted) return
        gone.abort()
        close(upload)
        leaveJob()
        measure(upload, answered && upload.left === 0)
        letIn()
      },
    }
  }

  return {
    chunk,
    preferred: () => ('share' in limit ? chunk() : undefined),
    connections,
    rate,
    line: () => (line.known() ? line.speed() : undefined),
    set(next) {
      limit = next
      probe = undefined
      apply()
    },
    admit({ bytes, job: name, signal }) {
      const job = jobs.get(name) ?? { open: 0, uploads: 0, served: 0 }
      jobs.set(name, job)
      job.uploads += 1
      const leaveJob = (): void => {
        job.uploads -= 1
        if (job.uploads === 0) jobs.delete(name)
      }
      return new Promise((resolve, reject) => {
        const giveUp = (): void => {
          waiting.delete(mine)
          leaveJob()
          reject(signal.reason)
        }
        const enter = (): void => {
          waiting.delete(mine)
          signal.removeEventListener('abort', giveUp)
          const upload = { job, left: bytes, takenAt: clock.now(), cut: new AbortController() }
          open.add(upload)
          job.open += 1
          // It was made under another limit.
          cutIfTooSlow(upload)
          resolve(toPass(upload, leaveJob))
        }
        const mine = { job, enter }
        if (signal.aborted) return giveUp()
        signal.addEventListener('abort', giveUp, { once: true })
        waiting.add(mine)
        letIn()
      })
    },
  }
}
