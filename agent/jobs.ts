import { messageOf } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import { jobStateSchema, type Job, type Status } from '../shared/protocol.ts'
import { fullJitter, pause } from '../shared/wait.ts'
import { isRefused, type Api } from './api.ts'
import { JobDropped, JobFailure } from './failure.ts'
import { workOn, type JobDeps, type JobView } from './job.ts'
import { reportFailure } from './report.ts'
import type { State } from './state.ts'

export interface Jobs {
  /** Starts what is listed and does not run, and asks about what runs and is not listed. */
  reconcile(listed: readonly Job[]): void
  views(): JobView[]
  busy(): boolean
  /** Aborts every job and waits until all have ended; never throws. */
  stop(): Promise<void>
}

export interface JobsDeps extends Omit<JobDeps, 'onBegun' | 'view' | 'signal'> {
  api: Api
  state: State
  /** Called when a listed job that was left can be started now: the list must be asked for again. */
  onWanted: () => void
  /** Called with how many run now. */
  onCount: (count: number) => void
}

interface Running {
  view: JobView
  abort: AbortController
  ended: Promise<void>
}

const AT_ONCE = 4
/** Starts without an end and without a byte more at the server, after which a job is taken for what brings the agent down. */
const MAX_STARTS = 5
/** Statuses in which a running job is still wanted. */
const wanted: readonly Status[] = ['queued', 'transferring', 'verifying', 'completed']
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** The jobs of one session: what the server lists, kept equal to what runs. */
export function createJobs(deps: JobsDeps): Jobs {
  const { api, log, state, progress, onWanted, onCount } = deps
  const running = new Map<string, Running>()
  /** Jobs that were dropped though they may be open: how often, and until when (monotonic ms) they rest. */
  const resting = new Map<string, { drops: number; until: number }>()
  const stopping = new AbortController()
  let leftOver = false

  const wantAgain = (): void => {
    if (!stopping.signal.aborted) onWanted()
  }

  const rest = (id: string, afterMs?: number): void => {
    const drops = (resting.get(id)?.drops ?? 0) + 1
    const ms = afterMs ?? (drops === 1 ? 0 : fullJitter(drops, { baseMs: 500, capMs: 60_000 }))
    resting.set(id, { drops, until: performance.now() + ms })
    // A timer may fire a little early.
    void pause(ms + 10, stopping.signal).then(wantAgain)
  }

  const conclude = async ({ id, attempt }: JobView, error: unknown, signal: AbortSignal): Promise<void> => {
    if (error instanceof JobDropped) {
      log.warn({ id }, `job dropped: ${printable(error.message)}`)
      if (error.again) rest(id, error.afterMs)
      return
    }
    if (isRefused(error)) {
      log.warn({ id }, `job dropped: ${printable(error.message)}`)
      if (!isRefused(error, 'job-gone', 'download-unknown')) rest(id)
      return
    }
    const failure =
      error instanceof JobFailure
        ? error
        : new JobFailure('io-error', `The agent could not go on: ${messageOf(error)}. See its log.`)
    log.error({ id, code: failure.code }, `job failed: ${failure.message}`)
    if (!(await reportFailure({ api, log, id, attempt, failure, signal }))) rest(id)
  }

  const work = async (job: Job, view: JobView, signal: AbortSignal): Promise<void> => {
    const { id } = job
    try {
      const starts = await state.started(id)
      if (starts > MAX_STARTS) {
        throw new JobFailure(
          'io-error',
          `The agent ended ${MAX_STARTS} times in the middle of this job. See its log, then retry the job.`,
        )
      }
      await workOn(job, { ...deps, view, signal, onBegun: (received) => state.begun(id, received) })
      resting.delete(id)
    } catch (error) {
      if (signal.aborted) log.info({ id }, `job stopped: ${printable(messageOf(signal.reason))}`)
      else await conclude(view, error, signal)
    }
  }

  /** Never throws. */
  const lifeOf = async (job: Job, view: JobView, signal: AbortSignal): Promise<void> => {
    try {
      await work(job, view, signal)
    } catch (error) {
      if (!signal.aborted) log.error({ id: job.id }, `cannot report the end of the job: ${printable(messageOf(error))}`)
    }
    running.delete(job.id)
    onCount(running.size)
    if (running.size === 0) deps.lanes.trim()
    progress.remove(job.id)
    if (leftOver) wantAgain()
    await (stopping.signal.aborted ? state.parked(job.id) : state.ended(job.id))
  }

  const start = (job: Job): void => {
    const abort = new AbortController()
    const signal = AbortSignal.any([abort.signal, stopping.signal])
    const view: JobView = {
      id: job.id,
      path: job.path ?? deps.shared.file,
      size: null,
      bytesSent: 0,
      attempt: null,
      status: 'opening',
    }
    running.set(job.id, { view, abort, ended: lifeOf(job, view, signal) })
    onCount(running.size)
  }

  /** A list holds only the first open jobs: one that is not in it can be over, or just further down. */
  const inquire = async (id: string, { abort }: Running): Promise<void> => {
    const path = `/jobs/${encodeURIComponent(id)}`
    try {
      const { value } = await api.call({
        what: `ask about the job ${id}`,
        method: 'GET',
        path,
        schema: jobStateSchema,
        signal: abort.signal,
      })
      if (!wanted.includes(value.status)) abort.abort(new Error(`it is ${value.reason ?? value.status}`))
    } catch (error) {
      if (isRefused(error)) abort.abort(error)
      else if (!abort.signal.aborted) log.error({ id }, messageOf(error))
    }
  }

  const startable = ({ id }: Job): boolean =>
    idPattern.test(id) && !running.has(id) && (resting.get(id)?.until ?? 0) <= performance.now()

  return {
    reconcile(listed) {
      if (stopping.signal.aborted) return
      const ids = new Set(listed.map(({ id }) => id))
      for (const [id, job] of running) if (!ids.has(id)) void inquire(id, job)
      void state.keepOnly(new Set([...ids, ...running.keys()]))
      for (const id of resting.keys()) if (!ids.has(id) && !running.has(id)) resting.delete(id)
      const next = listed.filter(startable)
      for (const job of next.slice(0, Math.max(0, AT_ONCE - running.size))) start(job)
      leftOver = next.some(({ id }) => !running.has(id))
    },
    views: () => [...running.values()].map(({ view }) => ({ ...view })),
    busy: () => running.size > 0,
    async stop() {
      stopping.abort(new Error('the agent stops or begins a new session'))
      await Promise.allSettled([...running.values()].map(({ ended }) => ended))
    },
  }
}
