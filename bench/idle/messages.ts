/** What a crowd is started with, as its one argument. */
export interface CrowdTask {
  url: string
  /** The numbers of its agents: from `first`, so many. */
  first: number
  count: number
  /** Whether all begin to poll when they are told to, and not each by itself. */
  together: boolean
  /** What they get tokens of their own for, where the server wants tokens: it counts how often one is used. */
  enrolTokens: string[]
}

/** What became of the polls so far. */
export interface Tally {
  /** Answers to polls by status. */
  answers: Record<string, number>
  /** Polls that are held at this moment. */
  held: number
  /** What must not happen: connections that broke, answers nobody expects, revisions that went back. */
  wrong: string[]
}

export type FromCrowd =
  | { kind: 'ready' }
  /** A job was seen for the first time, at a time of `machineMs`. */
  | { kind: 'job'; id: string; at: number }
  | { kind: 'tally'; tally: Tally }

export type ToCrowd = { kind: 'poll' } | { kind: 'tally' }

export const clientId = (number: number): string => `site-${number}`
