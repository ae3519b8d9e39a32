import { messageOf } from '../shared/errors.ts'
import { pause } from '../shared/wait.ts'
import type { DirectChunks } from './byte-ports.ts'

/** How often it is tried again whether URLs can be given away, in ms. */
const AGAIN = 15_000

/**
 * Tries whether URLs of the store can be given away, and again until they can: so long everything goes by way of the servers.
 * @param direct none where that is not wanted
 * @returns whether they can, after the first try
 */
export async function tryGoingDirect({
  direct,
  log,
  signal,
}: {
  direct: Pick<DirectChunks, 'check'> | undefined
  log: Record<'error', (details: object, text: string) => void>
  /** Ends the trying. */
  signal: AbortSignal
}): Promise<() => boolean> {
  let may = false
  let said = ''

  const tryOnce = async (store: Pick<DirectChunks, 'check'>): Promise<boolean> => {
    try {
      await store.check()
      may = true
    } catch (error) {
      const why = messageOf(error)
      if (why !== said) log.error({}, `DIRECT_UPLOADS stays off for now: ${why}`)
      said = why
    }
    return may
  }

  const goOn = async (store: Pick<DirectChunks, 'check'>): Promise<void> => {
    for (let done = false; !done;) {
      await pause(AGAIN, signal)
      done = signal.aborted || (await tryOnce(store))
    }
  }

  if (direct && !(await tryOnce(direct))) void goOn(direct)
  return () => may
}
