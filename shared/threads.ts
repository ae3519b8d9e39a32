import { basename } from 'node:path'
import { getAsset, isSea } from 'node:sea'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/** Starts a thread. A single executable has no files: it carries the source of its threads, under their names. */
export function startThread(file: URL, options: WorkerOptions): Worker {
  if (!isSea()) return new Worker(file, options)
  return new Worker(getAsset(basename(file.pathname), 'utf8'), { ...options, eval: true })
}
