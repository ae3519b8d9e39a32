import picomatch from 'picomatch'
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
  const allowed = allow.length === 0 ? () => true : matcherOf(allow)
  const denied = matcherOf(deny)

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

/** A pattern without a leading slash is meant anywhere. Hidden files are files like others: what is denied must stay so. */
function matcherOf(patterns: readonly string[]): (path: string) => boolean {
  const matchers = patterns.map((pattern) =>
    picomatch(pattern.startsWith('/') ? pattern : `/**/${pattern}`, { dot: true, nonegate: true }),
  )
  return (path) => matchers.some((matches) => matches(path))
}
