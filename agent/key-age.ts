import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { pause } from '../shared/wait.ts'
import type { Keys } from './credential.ts'

/** How often the age of the key is looked at, and how often at most a server that takes no other is asked, in ms. */
const LOOK_MS = 3600_000

/**
 * Waits until the key in use is as old as it may become and nothing is under way: the next session begins with another.
 * @param keyAge in ms
 * @throws the signal's reason
 */
export async function keyIsDue({
  keys,
  keyAge,
  busy,
  log,
  signal,
  lookMs = LOOK_MS,
}: {
  keys: Pick<Keys, 'age'>
  keyAge: number
  busy: () => boolean
  log: Log
  signal: AbortSignal
  lookMs?: number
}): Promise<void> {
  const isOld = async (): Promise<boolean> => {
    try {
      return (await keys.age()) >= keyAge
    } catch (error) {
      log.warn(`the age of this site's key cannot be told: ${messageOf(error)}`)
      return false
    }
  }
  do {
    await pause(lookMs, signal)
    signal.throwIfAborted()
  } while (busy() || !(await isOld()))
}
