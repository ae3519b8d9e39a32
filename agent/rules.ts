import picomatch from 'picomatch'
import { messageOf } from '../shared/errors.ts'
import { formatBytes } from '../shared/format.ts'
import { JobFailure } from './failure.ts'
import { ownPaths, type PathRules } from './platform/paths.ts'

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
  /** Of this machine, if nothing is said. */
  paths?: PathRules
}

export function createRules({ allow, deny, maxSize, paths = ownPaths }: RuleSettings): Rules {
  const { foldsCase, forGlobs } = paths
  const allowing = allow.map((glob) => compileGlob(forGlobs(glob), { ignoreCase: foldsCase }))
  // Some file systems know no case, and a key is one in capitals, too.
  const denying = deny.map((glob) => compileGlob(forGlobs(glob), { ignoreCase: true }))
  const allowed = (path: string): boolean => allow.length === 0 || allowing.some((matches) => matches(path))
  const denied = (path: string): boolean => withFolders(path).some((each) => denying.some((matches) => matches(each)))
  // `/private/**` is meant on every drive of Windows.
  const withoutDrive = (path: string): string => path.replace(/^[a-z]:/i, '')

  return {
    check({ real, isDefault, size, shown }) {
      const path = forGlobs(real)
      if (denied(path) || denied(withoutDrive(path)))
        throw new JobFailure('not-allowed', `${shown} is excluded by this agent's --deny.`)
      if (!isDefault && !allowed(path)) {
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

/** What would match something else than it seems to say, or nothing: a file that is to be denied would be sent. */
const misleading: readonly (readonly [RegExp, string])[] = [
  [/^(!(?!\()|\.\.?\/|~)/, 'must not begin with !, ./, ../ or ~'],
  [/^\.{0,2}$|\/\.{0,2}(\/|$)/, 'must not be empty or /, nor hold //, /./ or /../, which no path has'],
  [/(?<!\\)"|\\[a-z0-9\\]/i, 'must not hold a quote (") without \\ before it, or \\ before a letter, a digit or \\'],
  [/(?<!\\)\|(?![^()]*\))/, 'must not hold | outside of parentheses'],
]

/** Parentheses without a choice in them, and nothing before them that gives them a meaning, as in `Program Files (x86)`. */
const ASIDE = /(?<![!?*+@\\])\(([^()|]*)\)/g

/**
 * A pattern without a leading slash is meant anywhere. Hidden files are files like others: what is denied must stay so.
 * @throws Error that completes "--deny …"
 */
export function compileGlob(pattern: string, { ignoreCase = false } = {}): (path: string) => boolean {
  // Whoever writes `private/` means the folder.
  const named = pattern.replace(/\/+$/, '')
  const mistake = misleading.find(([shape]) => shape.test(named))?.[1]
  if (mistake !== undefined) throw new Error(`${mistake}, as "${pattern}" does`)
  const below = named.replace(/^\//, '')
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text)
  const literal = fold(`/${below}`)
  try {
    // Whichever way it is meant.
    const meant = [...new Set([below, below.replace(ASIDE, '\\($1\\)')])]
    const anywhere = named.startsWith('/') ? meant : meant.map((each) => `**/${each}`)
    const matches = picomatch(anywhere, {
      dot: true,
      nonegate: true,
      // [!a] is anything but a.
      posix: true,
      // A pattern that cannot be read must not silently match nothing.
      debug: true,
      strictBrackets: true,
      expandRange: () => {
        throw new Error('{1..3} is not known; write {1,2,3}')
      },
      // A name can hold line feeds.
      flags: ignoreCase ? 'is' : 's',
    })
    return (path) =>
      // The matcher wants a folder before each **/, and the root has no name.
      matches(path.replace(/^\//, '')) ||
      // A file can be called just like the pattern: `bill (1).pdf`, of which the parentheses would be none.
      (named.startsWith('/') ? fold(path) === literal : fold(path).endsWith(literal))
  } catch (error) {
    throw new Error(`is no glob: "${pattern}": ${messageOf(error)}`, { cause: error })
  }
}

/** The path and every folder that it lies in: what is denied of a folder is denied of all in it. */
function withFolders(path: string): string[] {
  const names = path.split('/')
  return names.map((_, index) => names.slice(0, index + 1).join('/')).filter((each) => each !== '')
}
