import { join } from 'node:path'
import type { Part } from '../../byte-ports.ts'

/** Parts lie in a folder of their own on the same file system, so that a verified one gets its name by link(2). */
export const PARTS = '.incoming'

/** The folder of the parts, below that of the finished files. */
export const partsFolder = (root: string): string => join(root, PARTS)

/** Whoever holds it has the whole folder. */
export const lockFile = (root: string): string => join(partsFolder(root), 'lock.db')

/** The file name of a part. */
export const partName = ({ id, attempt }: Part): string => `${id}.${attempt}.part`

/** The part that bears a file name, if it is one. */
export function partOf(name: string): Part | undefined {
  const [, id, attempt] = /^([0-9a-f-]{36})\.(\d+)\.part$/.exec(name) ?? []
  return id === undefined ? undefined : { id, attempt: Number(attempt) }
}
