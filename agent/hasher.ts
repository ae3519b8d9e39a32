import type { Worker } from 'node:worker_threads'
import type { Sha256 } from '../shared/digest.ts'
import { messageOf } from '../shared/errors.ts'
import { startThread } from '../shared/threads.ts'
import { JobDropped } from './failure.ts'
import type { FromWorker, ToWorker } from './hash-worker.ts'

/** A running SHA-256 that does not hold up the connections: another thread computes it. */
export interface Hasher {
  /**
   * Takes the next bytes, which must lie in shared memory and stay as they are until the promise resolves.
   * @throws JobDropped when the thread has ended
   */
  update(bytes: Buffer): Promise<void>
  /** The digest of all bytes so far; the last call. @throws JobDropped when the thread has ended */
  digest(): Promise<Sha256>
  /** Forgets it; to be called in any case. */
  close(): void
}

export interface Hashers {
  /** Starts the thread, which will be needed in a moment. */
  warm(): void
  open(): Hasher
  /** Ends the thread. */
  close(): Promise<void>
}

interface Pending {
  resolve(answer: FromWorker): void
  reject(error: Error): void
}

/** Hashers that share one thread, which is started when it is needed first, and again should it die. */
export function createHashers(): Hashers {
  let worker: Worker | undefined
  let pending: Pending[] = []
  let nextKey = 0

  const start = (): Worker => {
    const started = startThread(new URL('./hash-worker.ts', import.meta.url), {
      execArgv: [],
      // It keeps nothing but the state of a few hashes.
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
    })
    started.unref()
    // What a dead thread has still said is no answer to what the next one was asked.
    started.on('message', (answer: FromWorker) => started === worker && pending.shift()?.resolve(answer))
    started.on('error', (error) => lose(started, error))
    started.on('exit', () => lose(started, new Error('the hashing thread ended')))
    return started
  }

  const lose = (dead: Worker, error: Error): void => {
    if (dead !== worker) return
    worker = undefined
    for (const { reject } of pending) reject(lost(messageOf(error)))
    pending = []
  }

  const ask = (message: ToWorker): Promise<FromWorker> =>
    new Promise((resolve, reject) => {
      pending.push({ resolve, reject })
      worker?.postMessage(message)
    })

  const running = (): Worker => (worker ??= start())

  return {
    warm: () => void running(),

    open() {
      const mine = running()
      const key = nextKey++
      const checked = (message: ToWorker): Promise<FromWorker> => {
        // A new thread does not know what the old one had hashed.
        if (worker !== mine) return Promise.reject(lost('it ended'))
        return ask(message)
      }
      return {
        async update(bytes) {
          await checked({ type: 'update', key, bytes })
        },
        digest: async () => String(await checked({ type: 'digest', key })),
        close: () => {
          if (worker === mine) mine.postMessage({ type: 'close', key } satisfies ToWorker)
        },
      }
    },

    async close() {
      const ended = worker
      if (ended) lose(ended, new Error('it is closed'))
      await ended?.terminate()
    },
  }
}

function lost(why: string): JobDropped {
  return new JobDropped(`The thread that hashes was lost: ${why}.`, { again: true })
}
