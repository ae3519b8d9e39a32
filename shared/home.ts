import { homedir } from 'node:os'

/** The home folder of who runs this; `/` for a user without one, as services and containers may have. */
export function homeFolder(): string {
  try {
    return homedir()
  } catch {
    // It is in no list of users, and HOME is not set.
    return '/'
  }
}
