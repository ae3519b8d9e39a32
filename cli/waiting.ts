import pRetry from 'p-retry'
import { finalStatuses } from '../shared/protocol.ts'
import type { Download } from '../shared/operator.ts'
import { pause } from '../shared/wait.ts'
import type { Answer, Api } from './api.ts'
import { isPassing } from './errors.ts'

/** How long a restart of the server, or a gap in the network, is sat out. Times in ms. */
export interface Patience {
  tries: number
  firstPause: number
  longestPause: number
}

/** About two minutes. */
export const usualPatience: Patience = { tries: 28, firstPause: 250, longestPause: 5000 }

/** p-retry's options for `patience`; only what may pass by itself is tried again. */
export function retrying({ tries, firstPause, longestPause }: Patience, signal: AbortSignal) {
  return {
    retries: tries,
    minTimeout: firstPause,
    maxTimeout: longestPause,
    randomize: true,
    signal,
    shouldRetry: ({ error }: { error: Error }) => isPassing(error),
  }
}

const waitSeconds = 25
/** ms between two requests at least: a fast transfer changes more often than anybody can read. */
const pace = 200

export interface WaitOptions {
  api: Api
  id: string
  signal: AbortSignal
  /** Called with every state that differs from the one before, the last one too. */
  onChange: (download: Download) => void
  /** Called when the server cannot be asked, before each new try. */
  onTrouble?: (error: Error) => void
  patience?: Patience
}

/**
 * Waits until a download has ended, however it ended.
 * @throws CliError when the server stays away for longer than `patience`, or answers that there is no such download
 */
export async function waitForDownload(options: WaitOptions): Promise<Answer<Download>> {
  const { api, id, signal, onChange, onTrouble, patience = usualPatience } = options
  const retry = { ...retrying(patience, signal), onFailedAttempt: ({ error }: { error: Error }) => onTrouble?.(error) }
  let etag: string | undefined
  for (;;) {
    const askedAt = Date.now()
    const known = etag
    // Only with an ETag is every change an answer, and the first state should be shown at once.
    const look = () => (known === undefined ? api.download(id) : api.changed(id, known, waitSeconds))
    const answer = await pRetry(look, retry)
    if (answer) {
      onChange(answer.value)
      if (finalStatuses.includes(answer.value.status)) return answer
      etag = answer.etag
    }
    await pause(Math.max(0, askedAt + pace - Date.now()), signal)
    signal.throwIfAborted()
  }
}
