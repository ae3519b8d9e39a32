import { readdir, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Download } from '../../../shared/operator.ts'

/** Whether the database is whole, to be asked while no server runs. */
export function judgeDatabase(path: string): string[] {
  const db = new DatabaseSync(path)
  try {
    const result = db.prepare('PRAGMA integrity_check').get()?.['integrity_check']
    return result === 'ok' ? [] : [`the database is damaged: ${String(result)}`]
  } finally {
    db.close()
  }
}

/** Files of the store that no record accounts for, after the sweep of a start. */
export async function judgeStore(store: string, downloads: readonly Download[]): Promise<string[]> {
  const finished = new Set(downloads.flatMap(({ filePath }) => (filePath === null ? [] : [basename(filePath)])))
  const names = (await readdir(store)).filter((name) => name !== '.incoming' && !finished.has(name))
  const parts = (await readdir(join(store, '.incoming'))).filter((name) => {
    const match = /^([0-9a-f-]{36})\.(\d+)\.part$/.exec(name)
    if (!match) return !name.startsWith('lock.db')
    const owner = downloads.find(({ id }) => id === match[1])
    // Those are kept for a retry.
    return !(owner && ['failed', 'expired'].includes(owner.status) && owner.attempt === Number(match[2]))
  })
  return [
    ...names.map((name) => `the store holds ${name}, which no record knows`),
    ...parts.map((name) => `the part ${name} is left over`),
  ]
}

/** Files below `folders` that a process still holds open. */
export async function judgeOpenFiles(name: string, pid: number, folders: readonly string[]): Promise<string[]> {
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  )
  return links
    .filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)) && !path.includes('lock.db'))
    .map((path) => `${name} still holds ${path} open`)
}
