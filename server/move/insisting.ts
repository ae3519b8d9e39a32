import { setTimeout as delay } from 'node:timers/promises'
import { isAppError } from '../../shared/errors.ts'
import type { Moved } from '../backup/copy.ts'

/** How often what fails for the moment is tried again, and after which pause, in ms. */
const TRIES = 60
const PAUSE = 2_000

/**
 * The same work, done again while a store cannot be used for the moment: hours of copying are not given up for a minute.
 * What was counted of a try that failed is taken back.
 */
export function insisting<T>(work: (item: T, count: Moved) => Promise<void>, moved: Moved): (item: T) => Promise<void> {
  return async (item) => {
    for (let failed = 0; ;) {
      let counted = 0
      const count = (bytes: number): void => {
        counted += bytes
        moved(bytes)
      }
      try {
        return await work(item, count)
      } catch (error) {
        moved(-counted)
        failed += 1
        if (!isAppError(error, 'store-busy') || failed >= TRIES) throw error
        await delay(PAUSE)
      }
    }
  }
}
