import { formatBytes } from '../shared/format.ts'
import type { Download } from '../shared/operator.ts'
import type { Api, Answer } from './api.ts'
import { percent, stepOf } from './describe.ts'
import type { Screen } from './screen.ts'
import { waitForDownload } from './waiting.ts'

export interface FollowOptions {
  api: Api
  screen: Screen
  signal: AbortSignal
  id: string
}

/**
 * Waits until a download has ended, and shows how it goes: a bar on a terminal, elsewhere a line for every new status and every
 * tenth of the way.
 * @throws CliError as waitForDownload does
 */
export async function follow({ api, screen, signal, id }: FollowOptions): Promise<Answer<Download>> {
  const { progress } = screen
  const show = createReporter(screen)
  const trouble = createTrouble(screen)
  try {
    return await waitForDownload({
      api,
      id,
      signal,
      onChange(download) {
        trouble.over()
        show(download)
      },
      onTrouble: trouble.tell,
    })
  } catch (error) {
    if (signal.aborted) screen.note(`Download ${id} goes on without this program.`)
    throw error
  } finally {
    progress.remove(id)
  }
}

/** Tells what keeps the server from being asked, once until it is another or over. */
export function createTrouble(screen: Screen): { tell: (error: Error) => void; over: () => void } {
  let last = ''
  return {
    tell({ message }) {
      if (message !== last) screen.note(`${message} Trying again.`)
      last = message
    },
    over: () => void (last = ''),
  }
}

/** A function that shows the states of one download. */
function createReporter(screen: Screen): (download: Download) => void {
  let shown = ''
  return (download) => {
    const { id, clientId, status, size, bytesReceived } = download
    const moving = status === 'transferring' || status === 'verifying'
    if (moving && size !== null) screen.progress.update(id, clientId, bytesReceived, size)
    const step = screen.hasBars ? status : stepOf(download)
    if (step === shown) return
    shown = step
    screen.note(`${clientId}: ${status}${reasonOf(download)}${amountOf(download)}`)
  }
}

function reasonOf({ reason }: Download): string {
  return reason === null ? '' : ` (${reason})`
}

function amountOf(download: Download): string {
  if (download.size === null) return ''
  return `, ${formatBytes(download.bytesReceived)} of ${formatBytes(download.size)} (${percent(download)})`
}
