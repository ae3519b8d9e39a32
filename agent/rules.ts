import picomatch from 'picomatch'
import { messageOf } from '../shared/errors.ts'
import { formatBytes } from '../shared/format.ts'
import { JobFailure } from './failure.ts'

/** What of the shared folders is meant, beyond where it lies: the site's own word, which nothing from the server widens. */
export interface Rules {
  /**
   * @param real the absolute path without symlinks
   * @param isDefault whether it is the default file, which needs no other leave
   * @param size bytes
   * @param shown the path as it was asked for, for people
   * @throws JobFailure `not-allowed`
   */
  check(file: { real: string; isDefault: boolean; size: number; shown: string }): void
}

export interface RuleSettings {
  /** Globs; where there are any, one of them must match, but for the default file. */
  allow: readonly string[]
  /** Globs; none of them may match. */
  deny: readonly string[]
  /** Bytes. */
  maxSize: number | undefined
}

export function createRules({ allow, deny, maxSize }: RuleSettings): Rules {
  const allowing = allow.map((glob) => compileGlob(glob))
  // Some file systems know no case, and a key is one in capitals, too.
  const denying = deny.map((glob) => compileGlob(glob, { ignoreCase: true }))
  const allowed = (path: string): boolean => allow.length === 0 || allowing.some((matches) => matches(path))
  const denied = (path: string): boolean => withFolders(path).some((each) => denying.some((matches) => matches(each)))

  return {
    check({ real, isDefault, size, shown }) {
      if (denied(real)) throw new JobFailure('not-allowed', `${shown} is excluded by this agent's --deny.`)
      if (!isDefault && !allowed(real)) {
        throw new JobFailure('not-allowed', `${shown} is not among what this agent's --allow names.`)
      }
      if (maxSize !== undefined && size > maxSize) {
        const limit = formatBytes(maxSize)
        throw new JobFailure(
          'not-allowed',
          `${shown} has ${formatBytes(size)}; this agent sends ${limit} at most (--max-size).`,
        )
      }
    },
  }
}

/**
 * A pattern without a leading slash is meant anywhere. Hidden files are files like others: what is denied must stay so.
 * @throws Error that completes "--deny …"
 */
export function compileGlob(pattern: string, { ignoreCase = false } = {}): (path: string) => boolean {
  if (/^(!(?!\()|\.\.?\/|~)/.test(pattern)) throw new Error(`must not begin with !, ./, ../ or ~, as "${pattern}" does`)
  // Whoever writes `private/` means the folder.
  const named = pattern.replace(/\/+$/, '')
  if (named === '' || /\/(\.{0,2}\/|\.{1,2}$)/.test(named))
    throw new Error(`must not be /, nor hold //, /./ or /../, which no path has, as "${pattern}" does`)
  const anchored = named.startsWith('/') ? named : `/**/${named}`
  try {
    // A name can hold line feeds; and a pattern that cannot be read must not silently match nothing.
    const matches = picomatch(anchored, { dot: true, nonegate: true, debug: true, flags: ignoreCase ? 'is' : 's' })
    // A file can be called just like the pattern: `bill (1).pdf`, of which the parentheses would be none.
    const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text)
    const literal = fold(named.startsWith('/') ? named : `/${named}`)
    return (path) => matches(path) || (named.startsWith('/') ? fold(path) === literal : fold(path).endsWith(literal))
  } catch (error) {
    throw new Error(`is no glob: "${pattern}": ${messageOf(error)}`, { cause: error })
  }
}

/** The path and every folder that it lies in: what is denied of a folder is denied of all in it. */
function withFolders(path: string): string[] {
  const names = path.split('/')
  return names.map((_, index) => names.slice(0, index + 1).join('/')).filter((each) => each !== '')
}
