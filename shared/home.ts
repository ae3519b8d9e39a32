import { homedir } from 'node:os'

/** The user's home. A service's user that was made for it has none, and no name that could be looked up: then it is the root. */
export function homeFolder(): string {
  try {
    return homedir()
  } catch {
    return '/'
  }
}
