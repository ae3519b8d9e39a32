import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../../shared/errors.ts'
import { partName, partOf } from '../stores/disk/layout.ts'
import { unlessMissing } from '../stores/files.ts'
import type { Part } from '../byte-ports.ts'
import { BackupError } from './errors.ts'

/**
 * Where things lie in a backup: finished files for all its runs, under the names that they have at the server; database
 * and parts for each run anew, so that a run that is cut off leaves the one before it as it was.
 */
export interface BackupLayout {
  manifest: string
  lock: string
  files: string
  file(name: string): string
  /** The folder of a run. */
  state(run: number): string
  database(run: number): string
  parts(run: number): string
  part(run: number, part: Part): string
}

export function backupLayout(folder: string): BackupLayout {
  const state = (run: number): string => join(folder, `state-${run}`)
  return {
    manifest: join(folder, 'manifest.json'),
    lock: join(folder, 'lock.db'),
    files: join(folder, 'files'),
    file: (name) => join(folder, 'files', checkedName(name)),
    state,
    database: (run) => join(state(run), 'backhaul.db'),
    parts: (run) => join(state(run), 'parts'),
    part: (run, part) => join(state(run), 'parts', checkedPart(part)),
  }
}

/**
 * Names come from the rows of a database that somebody may have changed.
 * @throws BackupError for one that would lead elsewhere
 */
export function checkedName(name: string): string {
  if (name !== '' && !name.startsWith('.') && !/[/\\\0]/.test(name) && Buffer.byteLength(name) <= 255) return name
  throw new BackupError('backup-damaged', `A row names a file ${JSON.stringify(name)}, which no server would.`)
}

/** The same of a part. */
export function checkedPart(part: Part): string {
  const name = partName(part)
  const same = partOf(name)
  if (same?.id === part.id && same.attempt === part.attempt) return name
  throw new BackupError('backup-damaged', `A row names a part ${JSON.stringify(name)}, which no server would.`)
}

/** What is changed when an older program would misunderstand it. */
export const FORMAT = 1
const newerSchema = z.object({ format: z.int().min(FORMAT + 1) })

const count = z.int().min(0)
const several = z.strictObject({ count, bytes: count })

/**
 * What makes a folder a backup; written last. The database's rows have the digests of everything else, so that its own
 * stands for all.
 */
const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** Of the program. */
  version: z.string().max(100),
  /** The database's migrations. */
  schema: z.int().min(1),
  /** When the database was copied: what came later is not in the backup. */
  createdAt: z.iso.datetime(),
  run: z.int().min(1),
  database: z.strictObject({ size: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  files: several,
  parts: several,
})
export type Manifest = z.infer<typeof manifestSchema>

/**
 * @returns undefined where there is none
 * @throws BackupError for one that cannot be understood
 */
export async function readManifest(path: string): Promise<Manifest | undefined> {
  const text = await unlessMissing(readFile(path, 'utf8'))
  if (text === undefined) return undefined
  try {
    const manifest: unknown = JSON.parse(text)
    const newer = newerSchema.safeParse(manifest).data
    if (newer) throw newerBackup(path, newer.format)
    return manifestSchema.parse(manifest)
  } catch (error) {
    if (error instanceof BackupError) throw error
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : messageOf(error)
    throw new BackupError('backup-damaged', `${path} is not the manifest of a backup: ${why}`, { cause: error })
  }
}

function newerBackup(path: string, format: number): BackupError {
  return new BackupError(
    'backup-newer',
    `${path} has format ${format}, and this program knows ${FORMAT}: restore it with the program that made it, or a newer one.`,
  )
}

/** Removes what earlier runs left and no manifest names: runs that were cut off, and the one before. */
export async function removeOtherRuns(folder: string, run: number | undefined): Promise<void> {
  for (const name of await readdir(folder)) {
    const other = /^state-(\d+)$/.exec(name)?.[1]
    if (other !== undefined && Number(other) !== run) await rm(join(folder, name), { recursive: true })
  }
}

/** Removes files that no row promises any more, and those that were not finished. Folders are none of ours: a disk's own. */
export async function removeOtherFiles(files: string, promised: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(files, { withFileTypes: true })) {
    if (!entry.isDirectory() && !promised.has(entry.name)) await rm(join(files, entry.name))
  }
}

/** What is in a folder; nothing where there is none. A new file system has a folder of its own. */
export async function namesIn(folder: string): Promise<string[]> {
  const names = (await unlessMissing(readdir(folder))) ?? []
  return names.filter((name) => name !== 'lost+found')
}
