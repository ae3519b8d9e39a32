import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../shared/errors.ts'
import { groupsOf, rootsOf } from './drop-ins.ts'
import { readVariables } from './env-file.ts'
import type { ServicePaths } from './paths.ts'

/** What is set up already. */
export interface Installed {
  /** Of agent.env, as it lies there; nothing of one that is missing. */
  envText: string | undefined
  variables: Record<string, string>
  roots: string[]
  groups: string[]
  readAll: boolean
}

/** @throws what the system says of files that cannot be read */
export async function readInstalled(paths: ServicePaths): Promise<Installed> {
  const dropIn = (name: string): Promise<string | undefined> => textOf(join(paths.dropIns, name))
  const envText = await textOf(paths.env)
  const { ROOTS, ...variables } = readVariables(envText ?? '')
  return {
    envText,
    variables,
    // Whoever set them by hand is not asked to do so twice; the file would win over the drop-in.
    roots: ROOTS === undefined ? rootsOf((await dropIn('roots.conf')) ?? '') : ROOTS.split(':').filter(Boolean),
    groups: groupsOf((await dropIn('groups.conf')) ?? ''),
    readAll: (await dropIn('read-all.conf')) !== undefined,
  }
}

/** Undefined for a file that is not there. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
