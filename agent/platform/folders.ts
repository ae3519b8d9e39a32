import type { Environment } from '../../shared/env.ts'
import { pathRulesOf } from './paths.ts'

/**
 * Where a user's programs keep what they must remember. On Windows and macOS the other places would be in the way of
 * what copies or shows a user's files.
 * @param platform as `process.platform` has it
 */
export function stateHome(platform: NodeJS.Platform, env: Environment, home: string): string {
  const { join } = pathRulesOf(platform).path
  if (platform === 'win32') return env['LOCALAPPDATA'] || join(home, 'AppData', 'Local')
  if (platform === 'darwin') return join(home, 'Library', 'Application Support')
  return env['XDG_STATE_HOME'] || join(home, '.local', 'state')
}
