import { basename } from 'node:path'
import type { Sha256 } from '../shared/digest.ts'
import { messageOf } from '../shared/errors.ts'
import { formatBytes, printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import type { Progress } from '../shared/progress.ts'
import { beginSchema, FILE_KIND, PROTOCOL, type Begun, type Job } from '../shared/protocol.ts'
import { totalLength, union, type Range } from '../shared/ranges.ts'
import { fullJitter, pause } from '../shared/wait.ts'
import type { Shared } from './allow.ts'
import { checkedRanges } from './answers.ts'
import { isRefused, noRoomCodes, type Api } from './api.ts'
import { createFinish } from './finish.ts'
import { clip, JobDropped, JobFailure, quote } from './failure.ts'
import { SMALLEST_CHUNK, type Flow } from './flow.ts'
import type { Hashers } from './hasher.ts'
import type { Lanes } from './lanes.ts'
import type { ChunkLimits } from './limits.ts'
import type { Patience } from './patience.ts'
import { createProof } from './proof.ts'
import type { ReadLog } from './read-log.ts'
import type { Retry } from './retry.ts'
import { openSource, type Source } from './source.ts'
import type { StoreHttp } from './store-http.ts'
import { createUpload } from './upload.ts'

/** What a person sees of a running job. */
export interface JobView {
  id: string
  path: string
  /** Bytes, once the file is open. */
  size: number | null
  /** Bytes that the server has for certain. */
  bytesSent: number
  /** The server's number of this try, once begun. */
  attempt: number | null
  status: 'opening' | 'sending' | 'verifying'
}

export interface JobDeps {
  api: Api
  retry: Retry
  lanes: Lanes
  hashers: Hashers
  flow: Flow
  limits: ChunkLimits
  patience: Patience
  storeHttp: StoreHttp
  /** Whether chunks may go to other addresses than the server's. */
  direct: boolean
  shared: Shared
  readLog: ReadLog
  log: Log
  progress: Progress
  /** Called with the bytes that the server has at begin. */
  onBegun: (received: number) => Promise<void>
  view: JobView
  signal: AbortSignal
}

const NO_ROOM_MS = 30_000
const REREAD = 'reread'
const RESTART = 'restart'

/**
 * Works on one job until the server has the file, or somebody says that it is no longer wanted.
 * @throws JobFailure, JobDropped, Refused, the signal's reason
 */
export async function workOn(job: Job, deps: JobDeps): Promise<void> {
  if (job.kind !== FILE_KIND || job.protocol > PROTOCOL) {
    const what = `jobs of kind ${JSON.stringify(job.kind)}, protocol ${job.protocol}`
    throw new JobFailure('unsupported', `This agent does not know ${what}. Update it.`)
  }
  for (let restarts = 0; ; restarts += 1) {
    const source = await openSource({ requested: job.path, policy: job.policy, shared: deps.shared })
    try {
      return await sendOnce(job, source, deps)
    } catch (error) {
      if (!(job.policy === RESTART && error instanceof JobFailure && error.code === 'changed')) throw error
      deps.log.info({ id: job.id }, `${messageOf(error)} Starting again with the new version`)
      await pause(fullJitter(restarts, { baseMs: 500, capMs: 60_000 }), deps.signal)
    } finally {
      await source.close()
    }
    deps.signal.throwIfAborted()
  }
}

/** One version of the file, from begin to the server's word that it has it. */
async function sendOnce(job: Job, source: Source, deps: JobDeps): Promise<void> {
  const { api, flow, log, view, signal } = deps
  view.path = source.path
  flow.begin()
  // Their handshakes are over when the answer to begin is here.
  api.warm(Math.min(flow.connections(), Math.ceil(source.size / SMALLEST_CHUNK)))
  deps.hashers.warm()
  const begun = await begin(job, source, deps)
  const { attempt, size } = begun
  view.size = size
  view.attempt = attempt
  const received = checkedRanges(begun.received, size)
  await deps.onBegun(totalLength(received))
  if (totalLength(received) !== totalLength(union(begun.received)))
    log.warn({ id: job.id }, 'the server claims ranges that cannot be; they are sent again')
  log.info({ id: job.id, attempt, path: printable(source.path), size, resumedAt: totalLength(received) }, 'job started')
  const read = { path: source.path, size, job: job.id, attempt, askedBy: job.askedBy ? clip(job.askedBy, 100) : null }
  await deps.readLog.note(read)
  // What the version does not tell is proven before a byte is added.
  if (source.loose && received.length > 0)
    await createProof({ ...deps, source })({ id: job.id, attempt, size, received })
  const startedAt = performance.now()
  const counter = createCounter({ ...deps, size, received, label: clip(basename(source.path), 40) })
  const upload = createUpload({
    ...deps,
    source,
    target: { id: job.id, path: source.path, attempt, size, chunk: begun.chunk },
    parallel: begun.maxParallel ?? begun.parallel,
    direct: begun.direct && deps.direct,
    compress: begun.encodings.includes('zstd'),
    algorithm: begun.digests.includes('crc32') ? 'crc32' : 'sha-256',
    reread: source.fresh || job.policy === REREAD,
    onDurable: counter.add,
  })
  const sha256 = await upload.sendMissing(received)
  logSent({ log, id: job.id, sha256, bytes: counter.sent(), size, seconds: (performance.now() - startedAt) / 1000 })
  view.status = 'verifying'
  await createFinish({ api, log, upload, signal })({ id: job.id, attempt, size, sha256 })
}

/** @throws JobDropped when the server wants another version, or has no room yet: others may have their turn meanwhile */
async function begin(job: Job, source: Source, { api, signal }: JobDeps): Promise<Begun> {
  const { version, size, path, modified } = source
  try {
    const { value } = await api.call({
      what: `begin the job ${job.id}`,
      method: 'POST',
      path: `/jobs/${encodeURIComponent(job.id)}/begin`,
      json: { source: version, size, path, ...(modified === undefined ? {} : { modified }) },
      schema: beginSchema,
      signal,
    })
    if (value.size !== size && !(job.policy === 'prefix' && value.size < size)) {
      throw new JobFailure('io-error', `The server expects ${value.size} bytes of ${quote(path)}, which has ${size}.`)
    }
    return value
  } catch (error) {
    if (isRefused(error, 'source-changed')) throw new JobDropped(messageOf(error), { again: false })
    if (!isRefused(error, ...noRoomCodes)) throw error
    throw new JobDropped(messageOf(error), {
      again: true,
      afterMs: (error.retryAfterMs ?? NO_ROOM_MS) * (1 + Math.random() / 8),
    })
  }
}

interface Counter {
  add(ranges: readonly Range[]): void
  /** Bytes that became durable since the start. */
  sent(): number
}

/** Keeps what the server has, and shows it. */
function createCounter({
  view,
  progress,
  size,
  received,
  label,
}: Pick<JobDeps, 'view' | 'progress'> & {
  size: number
  received: readonly Range[]
  label: string
}): Counter {
  const before = totalLength(received)
  let durable = [...received]
  const show = (): void => {
    view.bytesSent = totalLength(durable)
    progress.update(view.id, label, view.bytesSent, size)
  }
  view.status = 'sending'
  // After a restart the bar would keep the size of the version before.
  progress.remove(view.id)
  show()
  return {
    add(ranges) {
      durable = union([...durable, ...ranges])
      show()
    },
    sent: () => totalLength(durable) - before,
  }
}

function logSent({
  log,
  id,
  sha256,
  bytes,
  size,
  seconds,
}: {
  log: Log
  id: string
  sha256: Sha256
  bytes: number
  size: number
  seconds: number
}): void {
  const rate = `${formatBytes(Math.round(bytes / Math.max(seconds, 0.001)))}/s`
  log.info({ sha256, id, size, sent: bytes, seconds: Number(seconds.toFixed(3)), rate }, 'every byte is sent')
}
