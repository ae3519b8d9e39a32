import { ConfigError, type Environment } from '../../shared/env.ts'

/** Variables by their names; undefined takes one away. */
export type Variables = Readonly<Record<string, string | undefined>>

const proxyNames = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy']

/** The proxies that a command was told of: what it installs has the same way out. */
export function proxiesOf(env: Environment): Variables {
  return Object.fromEntries(proxyNames.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
}

const assignment = /^\s*([A-Za-z_]\w*)=(.*)$/

/** As editors end them anywhere. */
const LINE_END = /\r\n|\n|\r/

/**
 * The variables of a file that systemd reads with `EnvironmentFile=`: one a line, quoted or not.
 * @param platform as `process.platform` has it: on Windows, what is not quoted means its backslashes
 */
export function readVariables(text: string, platform: NodeJS.Platform = 'linux'): Record<string, string> {
  const found = text.split(LINE_END).flatMap((line): [string, string][] => {
    const [, name, given] = assignment.exec(line) ?? []
    if (name === undefined || given === undefined) return []
    const value = given.trim()
    return [[name, platform === 'win32' && !isQuoted(value) ? value : unquote(value)]]
  })
  return Object.fromEntries(found)
}

/**
 * The same file with other values; what is not named stays as it is, comments too.
 * @throws ConfigError for values that no line can hold
 */
export function changeVariables(text: string, changes: Variables): string {
  const mistakes = Object.entries(changes)
    .filter(([, value]) => value !== undefined && /\p{Cc}/u.test(value))
    .map(([name]) => `${name} must not contain control characters`)
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const lines = text.split(LINE_END)
  while (lines.at(-1) === '') lines.pop()
  const wanted = new Map(Object.entries(changes))
  const changed = lines.flatMap((line) => {
    const name = assignment.exec(line)?.[1] ?? ''
    if (!(name in changes)) return [line]
    // In its place, and once.
    const value = wanted.get(name)
    wanted.delete(name)
    return value === undefined ? [] : [`${name}=${quote(value)}`]
  })
  const added = [...wanted].flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quote(value)}`]))
  return `${[...changed, ...added].join('\n')}\n`
}

/** What systemd would read otherwise than it is written. */
function quote(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `"${value.replace(/["\\`$]/g, '\\$&')}"`
}

const isQuoted = (text: string): boolean => /^(['"]).*\1$/.test(text)

function unquote(text: string): string {
  if (/^'.*'$/.test(text)) return text.slice(1, -1)
  if (/^".*"$/.test(text)) return text.slice(1, -1).replace(/\\(["\\`$])/g, '$1')
  return text.replace(/\\(.)/g, '$1')
}
