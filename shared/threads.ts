import { isSea } from 'node:sea'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import { readAsset } from './assets.ts'

/** Starts a thread. A single executable carries the source of its threads. */
export function startThread(file: URL, options: WorkerOptions): Worker {
  return isSea() ? new Worker(readAsset(file), { ...options, eval: true }) : new Worker(file, options)
}
