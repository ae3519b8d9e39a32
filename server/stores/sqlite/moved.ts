import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { messageOf, systemCode } from '../../../shared/errors.ts'
import { replaceFile } from '../../../shared/replace-file.ts'

/** Where a database's data go, or have gone: kept beside it, so that no server goes on with what is elsewhere. */
export interface Moved {
  /** Of the move. */
  id: string
  /** The new places, without any password. */
  database: string
  storage: string
  /** When everything was there, as ISO 8601; null before. */
  finishedAt: string | null
}

const movedSchema = z.object({
  id: z.uuid(),
  database: z.string(),
  storage: z.string(),
  finishedAt: z.iso.datetime().nullable(),
})

export const movedPath = (path: string): string => `${path}.moved`

/** @returns undefined where no move was ever begun @throws Error for a file that cannot be understood */
export function readMoved(path: string): Moved | undefined {
  try {
    return movedSchema.parse(JSON.parse(readFileSync(movedPath(path), 'utf8')))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw new Error(`${movedPath(path)} cannot be understood: ${messageOf(error)}`, { cause: error })
  }
}

/** Durably. */
export function writeMoved(path: string, moved: Moved): Promise<void> {
  return replaceFile(movedPath(path), `${JSON.stringify(moved, null, 2)}\n`)
}

/** A server that went on here would meet agents that another server has, too. @throws Error */
export function checkNotMoved(path: string): void {
  const moved = readMoved(path)
  if (!moved) return
  const where = `${moved.database} and ${moved.storage}`
  throw new Error(
    moved.finishedAt === null
      ? `a move of ${path} to ${where} was begun; run move again to finish it, or remove ${movedPath(path)} to give it up`
      : `${path} was moved to ${where} at ${moved.finishedAt}; start the server with these, ` +
          `or remove ${movedPath(path)} to go back to what was here then`,
  )
}
