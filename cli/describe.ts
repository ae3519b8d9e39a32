import { formatBytes, formatSeconds } from '../shared/format.ts'
import type { Client, Download, Update } from '../shared/operator.ts'
import { CliError } from './errors.ts'

/** A download as lines of `name: value`, without what is not known. */
export function describeDownload(download: Download): string[] {
  const { size } = download
  return fields([
    ['id', download.id],
    ['client', download.clientId],
    ['path', download.path ?? '(the default file of the client)'],
    ['file name', download.fileName],
    ['status', download.verified ? `${download.status}, verified` : download.status],
    ['reason', download.reason],
    ['detail', download.detail],
    ['note', download.note],
    ['size', size === null ? null : `${formatBytes(size)} (${size} bytes)`],
    ['received', size === null ? null : `${download.bytesReceived} bytes (${percent(download)})`],
    ['sent twice', download.bytesResent > 0 ? `${download.bytesResent} bytes` : null],
    ['SHA-256', download.sha256],
    ['file', download.filePath],
    ['created', download.createdAt],
    ['started', download.startedAt],
    ['completed', download.completedAt],
    ['took', duration(download)],
    ['expires', download.completedAt === null ? download.expiresAt : null],
  ])
}

export const downloadHeading = ['ID', 'CLIENT', 'STATUS', 'RECEIVED', 'SIZE', 'CREATED', 'FILE'] as const

/** A download as a row under `downloadHeading`. */
export function downloadRow(download: Download): string[] {
  const status = download.reason ? `${download.status} (${download.reason})` : download.status
  const size = download.size === null ? '-' : formatBytes(download.size)
  return [download.id, download.clientId, status, percent(download), size, download.createdAt, fileOf(download)]
}

/** The name of the file, or where it lies at the site; `-` while neither is known. */
export function fileOf({ fileName, path }: Download): string {
  return fileName ?? path ?? '-'
}

export const clientHeading = ['CLIENT', 'STATUS', 'LAST SEEN', 'AGENT', 'HOST', 'LABELS', 'SHARES'] as const

/** A client as a row under `clientHeading`. */
export function clientRow(client: Client): string[] {
  const labels = Object.entries(client.labels).map(([key, value]) => `${key}=${value}`)
  return [
    client.id,
    client.conflicts.count > 0 ? `${client.status}, ${client.conflicts.count} conflicts` : client.status,
    client.lastSeen ?? '-',
    describeAgent(client),
    client.agent?.hostname ?? '-',
    labels.join(' ') || '-',
    client.shared.join(' ') || '-',
  ]
}

/** `0.1.0, old, 0.2.0 fetching`: what it is, and what it is to become, unless it has. */
function describeAgent({ version, outdated, update }: Client): string {
  if (version === null) return '-'
  const order = update && update.state !== 'installed' ? [describeUpdate(update)] : []
  return [version, ...(outdated ? ['old'] : []), ...order].join(', ')
}

/** An order as `0.2.0 fetching`. */
export function describeUpdate({ version, state }: Update): string {
  return `${version} ${state}`
}

/** How far a download is, as `37 %`; `-` when its size is not known. */
export function percent({ progress }: Download): string {
  return progress === null ? '-' : `${progress} %`
}

/** A download's status and the tenth of its way: where these are others, it is worth a new line. */
export function stepOf({ status, progress }: Download): string {
  return `${status} ${Math.floor((progress ?? 0) / 10)}`
}

/**
 * The error that a download stands for which ended without its file, with its reason as code.
 * @param program how the user called this program, for the hint
 */
export function endedBadly({ id, clientId, status, reason, detail }: Download, program: string): CliError {
  const why = detail ?? reason ?? 'no reason was given'
  const hint = status === 'cancelled' ? '' : `; "${program} retry ${id}" starts it again`
  return new CliError(
    reason ?? status,
    `Download ${id} of ${clientId} ${verbOf[status] ?? status}: ${strip(why)}${hint}.`,
  )
}

const verbOf: Readonly<Record<string, string>> = {
  failed: 'failed',
  cancelled: 'was cancelled',
  expired: 'has expired',
}

function strip(sentence: string): string {
  return sentence.trim().replace(/\.$/, '')
}

function fields(pairs: readonly (readonly [string, string | null])[]): string[] {
  return pairs.flatMap(([name, value]) => (value === null ? [] : [`${`${name}:`.padEnd(11)} ${value}`]))
}

/** How long it took, and how fast that was; null while that is not known. */
export function duration({ startedAt, completedAt, size }: Download): string | null {
  if (startedAt === null || completedAt === null || size === null) return null
  const seconds = (Date.parse(completedAt) - Date.parse(startedAt)) / 1000
  const rate = seconds > 0 && size > 0 ? ` (${formatBytes(Math.round(size / seconds))}/s)` : ''
  return `${formatSeconds(seconds)}${rate}`
}
