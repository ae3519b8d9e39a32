import { mkdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../../../shared/folder.ts'

/** What a link points to; undefined for what is none. */
export async function targetOf(link: string): Promise<string | undefined> {
  return readlink(link).catch(() => undefined)
}

/** Points a link to a file, durably; there is no moment without it. */
export async function pointTo(link: string, file: string): Promise<void> {
  if ((await targetOf(link)) === file) return
  await mkdir(dirname(link), { recursive: true })
  await rm(`${link}.new`, { force: true })
  await symlink(file, `${link}.new`)
  await rename(`${link}.new`, link)
  await syncFolder(dirname(link))
}
