import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import type { Sha256 } from '../../../shared/digest.ts'
import { AppError } from '../../../shared/errors.ts'
import { startThread } from '../../../shared/threads.ts'
import type { Part, PartHasher, PartRows } from '../../byte-ports.ts'
import { createContiguous } from './contiguous.ts'
import type { FromWorker, ToWorker } from './hash-worker.ts'

/** Threads at most; one core is left to everything else. */
const THREADS = Math.max(1, Math.min(4, availableParallelism() - 1))
/** A thread is woken for so many bytes: less than that is soon read when the digest is asked for. */
const STEP = 1024 * 1024
/** Its own objects are few; without a limit it would keep garbage as if it had the machine to itself, in MiB. */
const HEAP = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }

interface Pending {
  resolve(sha256: Sha256): void
  reject(error: Error): void
}

export interface Hashers {
  open(path: string, part: Part, rows: PartRows): PartHasher
  /** Ends the threads. A digest under way is never answered: nothing can be said of its part. */
  close(): Promise<void>
}

/** Hashers that share a few threads, each part with one of them. */
export function createHashers(): Hashers {
  const threads = Array.from({ length: THREADS }, createThread)
  let nextKey = 0

  return {
    open(path, { id, attempt }, rows) {
      const key = nextKey++
      const thread = threads[key % THREADS]!
      const contiguous = createContiguous(() => rows.received(id, attempt))
      let told = 0
      return {
        async extend(range) {
          const end = await contiguous(range)
          if (end - told < STEP) return
          told = end
          thread.send({ type: 'extend', key, path, end })
        },
        digest: (size) => thread.digest({ type: 'digest', key, path, size }),
        close: () => thread.drop(key),
      }
    },
    async close() {
      await Promise.all(threads.map((thread) => thread.close()))
    },
  }
}

interface Thread {
  send(message: ToWorker): void
  digest(message: ToWorker): Promise<Sha256>
  /** Ends the work for a key; a digest that is waited for is not answered any more, and fails. */
  drop(key: number): void
  close(): Promise<void>
}

/** A thread that is started when there is something to do, and started again should it die. */
function createThread(): Thread {
  const pending = new Map<number, Pending>()
  let worker: Worker | undefined

  const settle = (message: FromWorker): void => {
    const waiting = pending.get(message.key)
    pending.delete(message.key)
    if (!('error' in message)) waiting?.resolve(message.sha256)
    else if (message.lost) waiting?.reject(new AppError('content-removed', message.error))
    else waiting?.reject(new Error(message.error))
  }

  const forget = (dead: Worker, error: Error): void => {
    if (dead !== worker) return
    worker = undefined
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }

  const start = (): Worker => {
    // Node strips the types by itself: the thread needs no loader, and its memory.
    const started = startThread(new URL('./hash-worker.ts', import.meta.url), { execArgv: [], resourceLimits: HEAP })
    started.unref()
    started.on('message', settle)
    started.on('error', (error) => forget(started, error))
    started.on('exit', () => forget(started, new Error('the hashing thread ended')))
    return started
  }

  const send = (message: ToWorker): void => {
    worker ??= start()
    worker.postMessage(message)
  }

  return {
    send,
    digest: (message) =>
      new Promise((resolve, reject) => {
        pending.set(message.key, { resolve, reject })
        send(message)
      }),
    drop(key) {
      pending.get(key)?.reject(new Error('the hasher was closed'))
      pending.delete(key)
      worker?.postMessage({ type: 'close', key } satisfies ToWorker)
    },
    async close() {
      const last = worker
      // What ends from now on ends on purpose.
      worker = undefined
      await last?.terminate()
    },
  }
}
