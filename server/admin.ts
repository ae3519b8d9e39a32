import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../shared/errors.ts'
import { replaceFile } from '../shared/replace-file.ts'
import type { Config } from './config.ts'
import type { Enrolments } from './domain/access/enrolments.ts'
import { kindOf, newSecret } from './domain/access/secrets.ts'
import type { Tokens } from './domain/access/tokens.ts'

const FILE = 'admin-token'
const ADMIN_TOKEN = 'ADMIN_TOKEN'
const FIRST = 'first admin'

/**
 * Sees to it that somebody can administer a server that wants tokens: the first start makes one, in a file beside the
 * database. Servers that share theirs have no place of their own: they are given one.
 */
export async function ensureAdmin({
  tokens,
  config,
  log,
}: {
  tokens: Tokens
  config: Pick<Config, 'adminToken' | 'database'>
  log: Record<'warn' | 'error', (details: object, text: string) => void>
}): Promise<void> {
  if (config.adminToken !== undefined) {
    if (await tokens.adopt(ADMIN_TOKEN, config.adminToken)) return
    // It may be the token of old days of one server among several, whose token of today is in force.
    if (!isShared(config)) await tokens.giveUp(ADMIN_TOKEN)
    return log.error({}, "ADMIN_TOKEN is a token that was revoked, or is no admin's: it admits nobody; take another")
  }
  // Where servers share their database, another may have been given what this one was not.
  if (!isShared(config)) await tokens.giveUp(ADMIN_TOKEN)
  if (await tokens.hasAdmin()) return
  if (config.database.kind !== 'sqlite')
    return log.error(
      {},
      'nobody can administer this server: start it with ADMIN_TOKEN, or with that of the other servers',
    )
  const path = join(dirname(config.database.path), FILE)
  // One that was revoked is left over in the file.
  if (!(await adoptKept(tokens, path))) await adoptNew(tokens, path)
  log.warn({ path }, 'this server wants tokens; the first admin token is in this file, which only its owner can read')
}

/** Lets sites in by the token of the environment, and by none that was there before. */
export async function ensureEnrolment({
  enrolments,
  config,
  log,
}: {
  enrolments: Enrolments
  config: Pick<Config, 'enrolToken' | 'enrolClients' | 'database'>
  log: Record<'error', (details: object, text: string) => void>
}): Promise<void> {
  const { enrolToken, enrolClients } = config
  if (enrolToken === undefined) return isShared(config) ? undefined : enrolments.giveUp()
  if (await enrolments.adopt(enrolToken, enrolClients)) return
  if (!isShared(config)) await enrolments.giveUp()
  log.error({}, 'ENROL_TOKEN is a token that was revoked or has run out: it lets nobody in; take another')
}

const isShared = ({ database }: Pick<Config, 'database'>): boolean => database.kind !== 'sqlite'

async function adoptKept(tokens: Tokens, path: string): Promise<boolean> {
  const known = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  })
  return kindOf(known.trim()) === 'operator' && tokens.adopt(FIRST, known.trim())
}

/** The file first, then the row: a crash between them leaves a token that somebody has. */
async function adoptNew(tokens: Tokens, path: string): Promise<void> {
  const { secret } = newSecret('operator')
  await replaceFile(path, `${secret}\n`)
  await tokens.adopt(FIRST, secret)
}
