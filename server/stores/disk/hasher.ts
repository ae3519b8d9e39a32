import { Worker } from 'node:worker_threads'
import type { Sha256 } from '../../../shared/digest.ts'
import { AppError } from '../../../shared/errors.ts'
import type { PartHasher } from '../../ports.ts'
import type { FromWorker, ToWorker } from './hash-worker.ts'

interface Pending {
  resolve(sha256: Sha256): void
  reject(error: Error): void
}

export interface Hashers {
  open(path: string): PartHasher
  /** Ends the thread. A digest under way is never answered: nothing can be said of its part. */
  close(): Promise<void>
}

/** Hashers that share one worker thread; it is started at once, and started again should it die. */
export function createHashers(): Hashers {
  const pending = new Map<number, Pending>()
  let nextKey = 0
  let closed = false

  const start = (): Worker => {
    // Node strips the types by itself: the thread needs no loader, and its memory.
    const started = new Worker(new URL('./hash-worker.ts', import.meta.url), { execArgv: [] })
    started.unref()
    started.on('message', settle)
    started.on('error', (error) => replace(started, error))
    started.on('exit', () => replace(started, new Error('the hashing thread ended')))
    return started
  }

  const settle = (message: FromWorker): void => {
    const waiting = pending.get(message.key)
    pending.delete(message.key)
    if (!('error' in message)) waiting?.resolve(message.sha256)
    else if (message.lost) waiting?.reject(new AppError('content-removed', message.error))
    else waiting?.reject(new Error(message.error))
  }

  const replace = (dead: Worker, error: Error): void => {
    if (closed || dead !== worker) return
    worker = start()
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }

  let worker = start()
  const send = (message: ToWorker): void => worker.postMessage(message)

  return {
    open(path) {
      const key = nextKey++
      return {
        extend: (end) => send({ type: 'extend', key, path, end }),
        digest: (size) =>
          new Promise((resolve, reject) => {
            pending.set(key, { resolve, reject })
            send({ type: 'digest', key, path, size })
          }),
        close: () => send({ type: 'close', key }),
      }
    },
    async close() {
      closed = true
      await worker.terminate()
    },
  }
}
