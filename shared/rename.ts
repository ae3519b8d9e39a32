import { rename } from 'node:fs/promises'
import { systemCode } from './errors.ts'
import { own, type Platform } from './platform.ts'
import { pause } from './wait.ts'

const inUse = new Set(['EPERM', 'EACCES', 'EBUSY'])
/** In ms: together somewhat over a second, as long as a scanner looks at a small file. */
const PAUSES = [10, 20, 50, 100, 200, 400, 400]

/**
 * Gives a file another name, in place of one that may be there. Where a file that is open elsewhere cannot be replaced, it is
 * tried for about a second.
 * @throws what the system says in the end
 */
export async function renameFile(
  from: string,
  to: string,
  { replacesLate }: Pick<Platform, 'replacesLate'> = own,
): Promise<void> {
  for (const ms of replacesLate ? PAUSES : []) {
    try {
      return await rename(from, to)
    } catch (error) {
      if (!inUse.has(systemCode(error) ?? '')) throw error
    }
    await pause(ms)
  }
  await rename(from, to)
}
