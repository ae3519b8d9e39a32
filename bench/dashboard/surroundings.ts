import type { OpenBrowser } from '../../tests/helpers/browser.ts'

/** What all measurements of the dashboard work with. */
export interface Surroundings {
  browser: OpenBrowser
  signal: AbortSignal
  say(text: string): void
}
