/** A configuration that cannot be used; `mistakes` names each setting and what is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: string[]
  constructor(mistakes: string[]) {
    super(mistakes.join('\n'))
    this.mistakes = mistakes
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface EnvReader {
  text(name: string, fallback: string): string
  /** A whole number in [min, max]. */
  integer(name: string, fallback: number, bounds: { min: number; max: number }): number
  oneOf<T extends string>(name: string, fallback: T, choices: readonly T[]): T
  /** Whatever `parse` makes of the text; what it throws becomes a mistake. */
  parsed<T>(name: string, fallback: string, parse: (text: string) => T): T | undefined
  /** @throws ConfigError naming every mistake found so far */
  finish(): void
}

/** Typed readers over environment variables. They collect every mistake, so that a user mends them in one go. An empty value counts as unset. */
export function readEnvironment(env: Environment): EnvReader {
  const mistakes: string[] = []
  const given = (name: string): string | undefined => env[name]?.trim() || undefined

  return {
    text: (name, fallback) => given(name) ?? fallback,

    integer(name, fallback, { min, max }) {
      const text = given(name)
      if (text === undefined) return fallback
      const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
      if (value >= min && value <= max) return value
      mistakes.push(`${name} must be a whole number from ${min} to ${max}, not "${text}"`)
      return fallback
    },

    oneOf(name, fallback, choices) {
      const text = given(name)
      if (text === undefined) return fallback
      const choice = choices.find((candidate) => candidate === text)
      if (choice === undefined) mistakes.push(`${name} must be one of ${choices.join(', ')}, not "${text}"`)
      return choice ?? fallback
    },

    parsed(name, fallback, parse) {
      try {
        return parse(given(name) ?? fallback)
      } catch (error) {
        mistakes.push(`${name} ${error instanceof Error ? error.message : String(error)}`)
        return undefined
      }
    },

    finish() {
      if (mistakes.length > 0) throw new ConfigError(mistakes)
    },
  }
}
