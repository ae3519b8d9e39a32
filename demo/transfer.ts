import type { Api } from '../cli/api.ts'
import { endedBadly } from '../cli/describe.ts'
import { waitForDownload } from '../cli/waiting.ts'
import type { Sha256 } from '../shared/digest.ts'
import { digestOfFile } from '../shared/file-digest.ts'
import { formatBytes } from '../shared/format.ts'
import type { Download } from '../shared/operator.ts'
import type { Progress } from '../shared/progress.ts'
import type { Site } from './stage.ts'

/** A file that came over, with both digests as this process computed them. */
export interface Transfer {
  site: Site
  received: string
  size: number
  /** From the request until the server had verified it. */
  seconds: number
  sourceSha256: Sha256
  receivedSha256: Sha256
}

export interface TransferOptions {
  api: Api
  site: Site
  progress: Progress
  isTerminal: boolean
  signal: AbortSignal
  say: (line: string) => void
}

/**
 * Asks for the default file of a site and waits for it.
 * @throws CliError when the download ends otherwise
 */
export async function transfer(options: TransferOptions): Promise<Omit<Transfer, 'sourceSha256' | 'receivedSha256'>> {
  const { api, site, progress, signal } = options
  const beganAt = performance.now()
  const asked = await api.request({ clientId: site.id, note: 'demo' })
  const onChange = reporter(options)
  const { value } = await waitForDownload({ api, id: asked.value.id, signal, onChange })
  progress.remove(site.id)
  if (value.status !== 'completed' || value.filePath === null || value.size === null) {
    throw endedBadly(value, 'npm run cli --')
  }
  return { site, received: value.filePath, size: value.size, seconds: (performance.now() - beganAt) / 1000 }
}

/** The SHA-256 of the source and of what was received, read from the disk by this process. */
export async function withDigests(came: Omit<Transfer, 'sourceSha256' | 'receivedSha256'>): Promise<Transfer> {
  const [sourceSha256, receivedSha256] = await Promise.all([
    digestOfFile(came.site.source),
    digestOfFile(came.received),
  ])
  return { ...came, sourceSha256, receivedSha256 }
}

/** A bar for each site on a terminal; elsewhere a line for each quarter of the way. */
function reporter({ site, progress, isTerminal, say }: TransferOptions): (download: Download) => void {
  let shown = ''
  return ({ status, size, bytesReceived, progress: percent }) => {
    if (size !== null) progress.update(site.id, site.id, bytesReceived, size)
    const quarter = `${status} ${Math.floor((percent ?? 0) / 25)}`
    if (isTerminal || quarter === shown) return
    shown = quarter
    const amount = size === null ? '' : `, ${formatBytes(bytesReceived)} of ${formatBytes(size)} (${percent} %)`
    say(`  ${site.id}: ${status}${amount}`)
  }
}
