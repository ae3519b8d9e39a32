import { stat } from 'node:fs/promises'
import { finalStatuses } from '../../../shared/protocol.ts'
import type { Download } from '../../../shared/operator.ts'
import { sha256OfFile } from '../../helpers/folder.ts'
import type { Asked } from '../asking.ts'
import { digestOf } from '../content.ts'
import type { ReadResult } from '../reader.ts'
import type { SourceFile } from '../sources.ts'

/** What is needed to judge a request. */
export interface Evidence {
  asked: Asked
  source: SourceFile
  /** Its record; undefined when there is none. */
  download: Download | undefined
  /** Pieces damaged on the client's line. */
  damaged: number
  diskWasFull: boolean
}

/** A chunk that arrives damaged this often fails its job. */
const DAMAGED_TOO_OFTEN = 4

/** What is lost or untrue of one request, in words; nothing when all is well. */
export async function judge(evidence: Evidence): Promise<string[]> {
  const { asked, download } = evidence
  if (!download) return ['has no record']
  if (!finalStatuses.includes(download.status)) return [`has not ended: ${download.status} (${download.reason})`]
  return [
    ...(await (download.status === 'completed' ? judgeFile(download, evidence) : judgeReason(download, evidence))),
    ...judgeAttempts(download, evidence),
    ...(asked.cancelled && download.status !== 'cancelled' ? [`was cancelled, and is ${download.status}`] : []),
    ...(asked.read ? judgeRead(asked.read, download, evidence) : []),
  ]
}

/**
 * Whether some version since it was asked for has these first bytes. A version is noted before it is written, so the one
 * before may have been there still.
 * @param whole whether they must be all of it; of a file that grows, at least what it had when it was asked for
 */
function isOf({ asked, source }: Evidence, sha256: string | null, length: number, whole: boolean): boolean {
  const { plan, versions } = source
  const grows = plan.policy === 'prefix'
  if (whole && grows && length < asked.size) return false
  return versions
    .slice(Math.max(0, asked.versions - 2))
    .some(
      (version) =>
        (whole && !grows ? version.size === length : version.size >= length) && digestOf(version, length) === sha256,
    )
}

async function judgeFile(download: Download, evidence: Evidence): Promise<string[]> {
  const { filePath, sha256, verified, size } = download
  const wrong: string[] = []
  if (!verified) wrong.push('is completed without being verified')
  if (filePath === null || size === null) return [...wrong, 'is completed without a file']
  const there = await stat(filePath).catch(() => undefined)
  if (!there) return [...wrong, `its file ${filePath} is not there`]
  if (there.size !== size || (await sha256OfFile(filePath)) !== sha256)
    wrong.push('its file is not what its record says')
  if (!isOf(evidence, sha256, size, true)) wrong.push('its bytes are of no version of the source')
  return wrong
}

/** A file that lies still is sent in one attempt, however often it is interrupted. */
function judgeAttempts({ attempt }: Download, { asked, damaged, diskWasFull }: Evidence): string[] {
  const excused = asked.plan.file.kind !== 'still' || asked.retried || damaged > 0 || diskWasFull
  return attempt <= 1 || excused ? [] : [`was begun ${attempt} times, though its file lay still`]
}

function judgeReason({ status, reason, detail }: Download, evidence: Evidence): string[] {
  const ofStatus = reason === 'cancelled' || reason === 'expired' ? status === reason : status === 'failed'
  return ofStatus && isTrue(reason, evidence)
    ? []
    : [`is ${status} for a reason that is not true: ${reason} (${detail})`]
}

/** Whether what the harness did is a reason for this code. */
function isTrue(code: string | null | undefined, { asked, source, damaged }: Evidence): boolean {
  const { kind, policy } = asked.plan.file
  const truths: Readonly<Record<string, boolean>> = {
    cancelled: asked.cancelSent,
    expired: asked.plan.expiresIn !== undefined,
    // Before it appeared, it was not there.
    'not-found': kind === 'absent' || kind === 'late',
    'not-allowed': kind === 'outside',
    'not-a-file': kind === 'folder' || kind === 'pipe',
    changed: kind === 'rewritten' && policy === 'fail' && source.versions.length > asked.versions,
    damaged: damaged >= DAMAGED_TOO_OFTEN,
  }
  return truths[code ?? ''] ?? false
}

/** Codes with which a reader may be refused besides the reason of the download. */
const refusals = ['begin-timeout', 'content-broken', 'shutting-down', 'store-full', 'no-room']

function judgeRead(read: ReadResult, download: Download, evidence: Evidence): string[] {
  if (read.status !== 200) {
    return refusals.includes(read.code ?? '') || isTrue(read.code, evidence)
      ? []
      : [`its reader was refused with ${read.status} ${read.code}`]
  }
  if (!read.whole) {
    return isOf(evidence, read.sha256, read.bytes, false) ? [] : [`its reader got ${read.bytes} bytes of no version`]
  }
  const sameAttempt = read.etag === `"${download.id}.${download.attempt}"` && download.status === 'completed'
  if (sameAttempt && read.sha256 !== download.sha256) return ['its reader got other bytes than the record says']
  return isOf(evidence, read.sha256, read.bytes, true) ? [] : [`its reader got ${read.bytes} bytes, of no version`]
}
