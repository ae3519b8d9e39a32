import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { replaceFile } from '../shared/replace-file.ts'
import type { Config } from './config.ts'
import { kindOf, newSecret } from './domain/access/secrets.ts'
import type { Tokens } from './domain/access/tokens.ts'

const FILE = 'admin-token'
const ADMIN_TOKEN = 'ADMIN_TOKEN'

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
  if (config.adminToken !== undefined) return tokens.adopt(ADMIN_TOKEN, config.adminToken)
  await tokens.giveUp(ADMIN_TOKEN)
  if (await tokens.hasAdmin()) return
  const path = join(dirname(config.database.path), FILE)
  await tokens.adopt('first admin', await readOrWrite(path))
  // One that was revoked stays so.
  if (!(await tokens.hasAdmin()))
    return log.error(
      { path },
      'nobody can administer this server: the token in this file was revoked; remove the file, and start again',
    )
  log.warn({ path }, 'this server wants tokens; the first admin token is in this file, which only its owner can read')
}

/** The file first, then the row: a crash between them leaves a token that somebody has. */
async function readOrWrite(path: string): Promise<string> {
  const known = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  })
  if (kindOf(known.trim()) === 'operator') return known.trim()
  const { secret } = newSecret('operator')
  await replaceFile(path, `${secret}\n`)
  return secret
}
