import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { messageOf, systemCode } from '../shared/errors.ts'
import type { Environment } from '../shared/env.ts'
import { makeFolder } from '../shared/folder.ts'
import { replaceFile } from '../shared/replace-file.ts'
import { CliError } from './errors.ts'

const schema = z.record(z.string(), z.string())

/** Where `login` keeps tokens, one for each server; only its owner can read it. */
export function tokenFile(env: Environment): string {
  const given = env['XDG_CONFIG_HOME'] ?? ''
  return join(isAbsolute(given) ? given : join(env['HOME'] || homedir(), '.config'), 'backhaul', 'tokens.json')
}

/** Whether a text can be a token: what fits into a header. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,1000}$/.test(text)
}

/** The token for a server: BACKHAUL_TOKEN, else what `login` has kept. @throws CliError `token-file`, `usage` */
export function findToken(env: Environment, server: URL): string | undefined {
  const given = env['BACKHAUL_TOKEN']?.trim()
  // Where nothing can be kept, nothing is.
  if (!given) return load(tokenFile(env), ['ENOENT', 'ENOTDIR', 'EACCES'])[server.href]
  if (!isToken(given)) throw new CliError('usage', 'BACKHAUL_TOKEN holds no token: one line, as the server made it.')
  return given
}

/** Keeps the token for a server, or forgets it. @throws CliError `token-file` */
export async function keepToken(env: Environment, server: URL, token: string | undefined): Promise<void> {
  const path = tokenFile(env)
  // Not over a file whose other tokens cannot be read.
  const { [server.href]: _, ...others } = load(path, ['ENOENT'])
  try {
    await makeFolder(dirname(path), 0o700)
    await replaceFile(path, JSON.stringify(token === undefined ? others : { ...others, [server.href]: token }))
  } catch (error) {
    throw unusable(path, error)
  }
}

/** @param passing system codes that mean that nothing is kept */
function load(path: string, passing: readonly string[]): Record<string, string> {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    if (passing.includes(systemCode(error) ?? '')) return {}
    throw unusable(path, error)
  }
}

function unusable(path: string, error: unknown): CliError {
  // What is wrong with it, and not what is in it.
  const why = systemCode(error) === undefined ? 'it is not what this program wrote' : messageOf(error)
  return new CliError('token-file', `${path} cannot be used: ${why}; remove it, and log in again.`, { cause: error })
}
