import { open, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Config } from './config.ts'
import { newSecret } from './domain/access/secrets.ts'
import type { Tokens } from './domain/access/tokens.ts'

const FILE = 'admin-token'

/** Sees to it that somebody can administer a server that wants tokens: the first start makes one, in a file. */
export async function ensureAdmin({
  tokens,
  config,
  log,
}: {
  tokens: Tokens
  config: Pick<Config, 'adminToken' | 'database'>
  log: Log
}): Promise<void> {
  if (config.adminToken !== undefined) return tokens.adopt('ADMIN_TOKEN', config.adminToken)
  if ((await tokens.list()).length > 0) return
  const path = join(dirname(config.database.path), FILE)
  await tokens.adopt('first admin', await readOrWrite(path))
  log.warn({ path }, 'this server wants tokens; the first admin token is in this file, which only its owner can read')
}

/** The file first, then the row: a crash between them leaves a token that somebody has. */
async function readOrWrite(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
  const { secret } = newSecret('operator')
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(`${secret}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  return secret
}
