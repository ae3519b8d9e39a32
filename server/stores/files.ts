import { AppError, systemCode } from '../../shared/errors.ts'

/** Waits for a file operation; undefined when the file does not exist. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

const notNow: Readonly<Record<string, readonly ['store-full' | 'store-busy', string]>> = {
  ENOSPC: ['store-full', 'The disk of the store is full; free some room.'],
  EDQUOT: ['store-full', 'The disk quota of the user that the server runs as is used up; free some room.'],
  EMFILE: ['store-busy', 'The server has too many open files; raise its limit (ulimit -n) if this lasts.'],
  ENFILE: ['store-busy', 'The machine has too many open files; raise its limit (sysctl fs.file-max) if this lasts.'],
  ENOMEM: ['store-busy', 'The machine has no memory left for the store.'],
  EROFS: ['store-busy', 'The disk of the store is read-only; the log of its kernel may say why.'],
  EIO: ['store-busy', 'The disk of the store fails; the log of its kernel may say why.'],
  EACCES: ['store-busy', 'The store cannot be used by the user that the server runs as; check its rights.'],
  EPERM: ['store-busy', 'The store cannot be used by the user that the server runs as; check its rights.'],
}

/** A failure of the file system that may pass, as an error of ours; any other as it is. */
export function asStoreError(error: unknown): unknown {
  const [code, message] = notNow[systemCode(error) ?? ''] ?? []
  return code === undefined || message === undefined ? error : new AppError(code, message, {}, { cause: error })
}

/** The same operation, which throws such failures as errors of ours. */
export function telling<A extends unknown[], T>(operation: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return async (...args) => {
    try {
      return await operation(...args)
    } catch (error) {
      throw asStoreError(error)
    }
  }
}
