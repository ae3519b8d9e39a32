import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { messageOf, systemCode } from '../shared/errors.ts'
import { CliError } from './errors.ts'
import type { Sink } from './receive.ts'

/** Writes to an open file, which is emptied to start anew. `path` is for messages. */
export function fileSink(file: FileHandle, path: string): Sink {
  let at = 0
  return {
    write: (chunk) =>
      asOurs(path, async () => {
        let from = 0
        while (from < chunk.length) {
          const { bytesWritten } = await file.write(chunk, from, chunk.length - from, at)
          from += bytesWritten
          at += bytesWritten
        }
      }),
    startAnew: () =>
      asOurs(path, async () => {
        await file.truncate(0)
        at = 0
      }),
  }
}

/** Writes to a stream at the pace of its reader. What has been written there cannot be taken back. */
export function streamSink(stream: Writable, path: string): Sink {
  // The callback of the write below gets the same error.
  stream.on('error', () => undefined)
  return {
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(writeFailed(path, error)) : resolve()))
      }),
    async startAnew() {
      throw new CliError(
        'content-broken',
        'The connection broke and what came then was another content; the output is not complete. Run it again.',
      )
    },
  }
}

/**
 * Does something with the file system.
 * @throws CliError `write-failed` in place of any system error
 */
export async function asOurs<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CliError) throw error
    throw writeFailed(path, error)
  }
}

/** A system error as one of ours; but that a reader has had enough (EPIPE) is no failure, and stays what it is. */
export function writeFailed(path: string, error: unknown): unknown {
  if (systemCode(error) === 'EPIPE') return error
  return new CliError('write-failed', `Cannot write ${path}: ${messageOf(error)}.`, { cause: error })
}
