import type { Event } from '../../../shared/events.ts'
import type { Session } from './session.ts'

/** What the page shows in its middle. */
export interface View {
  /** Of the page, and its heading. */
  title: string
  /** The link of the head that leads nearest to it. */
  section?: 'downloads' | 'clients' | 'audit'
  /** Fetches what is shown; what it throws is shown in its place. */
  load(): Promise<void>
  /** As it was loaded last. */
  show(): unknown
  /** Whether it may have changed what is shown. */
  concerns(event: Event): boolean
  /** In ms: when to look again though no event says so, since bytes and absences are none; undefined: not at all. */
  again(): number | undefined
}

/** What views have of the page. */
export interface Page {
  session: Session
  /** Draws again. */
  draw(): void
  /** Looks again now. */
  refresh(): Promise<void>
  /** Says something, aloud too. */
  say(message: unknown): void
  /** Says what went wrong, if something does. @returns whether nothing did */
  attempt(run: () => Promise<void>): Promise<boolean>
}

/** While bytes arrive. */
export const WHILE_MOVING = 1_000
/** That an agent went is told by no event. */
export const WHO_IS_THERE = 5_000
