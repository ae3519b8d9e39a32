import { Worker } from 'node:worker_threads'
import type { Sha256 } from '../../../shared/digest.ts'
import type { PartHasher } from '../../ports.ts'
import type { FromWorker, ToWorker } from './hash-worker.ts'

interface Pending {
  resolve(sha256: Sha256): void
  reject(error: Error): void
}

export interface Hashers {
  open(path: string): PartHasher
  close(): Promise<void>
}

/** Hashers that share one worker thread, started when first needed and started again should it die. */
export function createHashers(): Hashers {
  const pending = new Map<number, Pending>()
  let worker: Worker | undefined
  let nextKey = 0

  const failAll = (error: Error): void => {
    worker = undefined
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }

  const start = (): Worker => {
    const started = new Worker(new URL('./hash-worker.ts', import.meta.url), { execArgv: [] })
    started.unref()
    started.on('message', (message: FromWorker) => {
      const waiting = pending.get(message.key)
      pending.delete(message.key)
      if ('error' in message) waiting?.reject(new Error(message.error))
      else waiting?.resolve(message.sha256)
    })
    started.on('error', failAll)
    started.on('exit', () => failAll(new Error('the hashing thread ended')))
    return started
  }

  const send = (message: ToWorker): void => {
    worker ??= start()
    worker.postMessage(message)
  }

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
      await worker?.terminate()
    },
  }
}
