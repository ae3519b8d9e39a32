import { ConfigError } from '../../shared/env.ts'

/** Variables by their names; undefined takes one away. */
export type Variables = Readonly<Record<string, string | undefined>>

const assignment = /^\s*([A-Za-z_]\w*)=(.*)$/

/** The variables of a file that systemd reads with `EnvironmentFile=`: one a line, quoted or not. */
export function readVariables(text: string): Record<string, string> {
  const found = text.split('\n').flatMap((line): [string, string][] => {
    const [, name, value] = assignment.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name, unquote(value.trim())]]
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
  const lines = text.split('\n')
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

function unquote(text: string): string {
  if (/^'.*'$/.test(text)) return text.slice(1, -1)
  if (/^".*"$/.test(text)) return text.slice(1, -1).replace(/\\(["\\`$])/g, '$1')
  return text.replace(/\\(.)/g, '$1')
}
