import { SLOWEST, unlimited, type Bandwidth } from './bandwidth.ts'
import { createBucket, realClock, type Clock, type Group } from './bucket.ts'
import { createLine } from './line.ts'

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
  /** Bytes of a chunk that passes in reasonable time; Infinity without a limit. */
  chunk(): number
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

interface Probe {
  uploads: Set<Upload>
  bytes: number
  startedAt: number
  whole: boolean
}

const SMALLEST_CHUNK = 64 * 1024
/** What is open at once passes in about this time, in s: no more is lost when it breaks. */
const OPEN_S = 30
/** The same for a share of the line, in s at the speed of the whole line: a probe lets pass what is open. */
const PROBE_S = 2
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

  const connections = (): number => {
    if (rate() === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const most = 'share' in limit ? MOST_OF_SHARE : MOST
    return Math.max(FEWEST, Math.min(most, Math.floor(rate() / PER_CONNECTION)))
  }

  const chunk = (): number => {
    if (rate() === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const bytes = 'share' in limit ? line.speed() * PROBE_S : rate() * OPEN_S
    return Math.max(SMALLEST_CHUNK, Math.floor(bytes / connections()))
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

  /** Ends what would take too long now, the longest first, until the rest has enough. */
  const cutTooSlow = (): void => {
    for (;;) {
      const [longest] = [...open].toSorted((a, b) => b.left - a.left)
      if (!longest || !isTooSlow(longest)) return
      close(longest)
      longest.cut.abort(new Error('the limit holds it up for too long'))
    }
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
    const bytes = [...open].reduce((sum, { left }) => sum + left, 0)
    probe = { uploads: new Set(open), bytes, startedAt: clock.now(), whole: true }
    bucket.setRate(Number.POSITIVE_INFINITY)
  }

  const measure = (upload: Upload, whole: boolean): void => {
    if (!('share' in limit)) return
    if (!probe?.uploads.delete(upload)) {
      if (whole) line.answered(clock.now() - upload.takenAt)
      return
    }
    probe.whole &&= whole
    if (probe.uploads.size > 0) return
    line.probed({ ...probe, ms: clock.now() - probe.startedAt, share: limit.share })
    probe = undefined
    apply()
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
