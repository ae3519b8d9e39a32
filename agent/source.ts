import { constants, type BigIntStats } from 'node:fs'
import { lstat, open, readlink, realpath, stat, type FileHandle } from 'node:fs/promises'
import { messageOf, systemCode } from '../shared/errors.ts'
import type { FailureCode } from '../shared/protocol.ts'
import { isAbsent, isDefaultFile, isShared, locate, type Shared } from './allow.ts'
import { JobDropped, JobFailure, quote } from './failure.ts'
import { hiddenBy, hiddenFailure } from './hidden.ts'
import { ownPaths, type PathRules } from './platform/paths.ts'

/** One opened version of a file. */
export interface Source {
  /** The absolute real path. */
  path: string
  /** Bytes, when it was opened. */
  size: number
  /** The validator sent to the server; what it holds depends on the policy. */
  version: string
  /** The version overlooks times or growth: two openings with the same one need not hold the same bytes. */
  loose: boolean
  /** ISO 8601, or undefined for a time that cannot be written so. */
  modified: string | undefined
  /** Modified so recently that a further write might leave the same time behind. */
  fresh: boolean
  /**
   * Fills `buffer` with the bytes from `position` on and checks that the version is still the same.
   * @throws JobFailure `changed`, `io-error`
   */
  read(buffer: Buffer, position: number): Promise<void>
  /** @throws JobFailure `changed` when the file is not the opened version any more, or shorter than `size` bytes */
  check(size: number): Promise<void>
  /**
   * Whether size, times or inode differ from what they were when the file was opened, whatever the policy.
   * @throws JobFailure `io-error`
   */
  touched(): Promise<boolean>
  close(): Promise<void>
}

const FRESH_MS = 2000
/** Each a fraction of a millisecond. */
const LOOKS = 10

// Without O_NONBLOCK, opening a FIFO would wait for a writer; O_NOFOLLOW catches a link put there after it was looked at.
const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0)

const codes: Readonly<Record<string, FailureCode>> = {
  EACCES: 'denied',
  EPERM: 'denied',
  // What O_NONBLOCK gets instead of waiting for the holder of a lease (fcntl(2), F_SETLEASE).
  EAGAIN: 'locked',
  EBUSY: 'locked',
  ETXTBSY: 'locked',
  ELOOP: 'not-allowed',
  // Removed or replaced by somebody else, on a network file system.
  ESTALE: 'changed',
  ENXIO: 'not-a-file',
  ENODEV: 'not-a-file',
  EISDIR: 'not-a-file',
}

const exhausted = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

const advice: Partial<Record<FailureCode, string>> = {
  'not-found': 'does not exist at the client. Check the name and where the file lies.',
  'not-allowed': 'is a link that leads outside of what this agent shares.',
  denied: 'may not be read by the user that the agent runs as. Give it the right to read it.',
  'not-a-file': 'is not a regular file. Ask for a file, not for a folder, a pipe, a socket or a device.',
  changed: 'was removed or replaced on its file server. Ask again.',
  locked: 'is held by another program. Ask again when that is done.',
}

/**
 * Opens what was asked for, if it is shared and a regular file.
 * @throws JobFailure with the code that tells why not
 */
export async function openSource({
  requested,
  policy,
  shared,
}: {
  requested: string | null
  policy: string
  shared: Shared
}): Promise<Source> {
  const shown = quote(requested ?? shared.file)
  let file: FileHandle | undefined
  try {
    const path = await locate(requested, shared)
    // Some devices act when they are opened, so look first.
    if (!(await lstat(path)).isFile()) throw failure('not-a-file', shown)
    file = await open(path, flags)
    const stats = await file.stat({ bigint: true })
    if (!stats.isFile()) throw failure('not-a-file', shown)
    if (stats.nlink === 0n) throw failure('not-found', shown)
    // Who may read everything may also read what a sandbox puts over a file.
    const hidden = isEmptyAndClosed(stats) ? await hiddenFailure(path, shown, shared) : undefined
    if (hidden) throw hidden
    const real = await realPathOf({ file, path, opened: stats, paths: shared.paths })
    if (real !== undefined && (await isGone(real, stats))) {
      throw new JobFailure('changed', `${shown} was replaced or removed while it was opened. Ask again.`)
    }
    if (real === undefined || !(await isShared(real, shared))) throw failure('not-allowed', shown)
    if (await isAmong(shared.secrets ?? [], stats))
      throw new JobFailure('not-allowed', `${shown} holds what this agent proves itself with, which nobody gets.`)
    shared.rules?.check({ real, isDefault: await isDefaultFile(real, shared), size: Number(stats.size), shown })
    return createSource({ file, path: real, shown, stats, policy })
  } catch (error) {
    await file?.close()
    throw (await hiddenBy(error, shown, shared)) ?? asFailure(error, shown)
  }
}

const isEmptyAndClosed = ({ size, mode }: BigIntStats): boolean => size === 0n && (mode & 0o777n) === 0n

/** The path of the *opened* file: a folder on the way can have been swapped for a link since it was looked at. */
async function realPathOf({
  file,
  path,
  opened,
  paths: { proc, canonical } = ownPaths,
}: {
  file: FileHandle
  path: string
  opened: BigIntStats
  paths: PathRules | undefined
}): Promise<string | undefined> {
  try {
    if (proc !== undefined) return await readlink(`${proc}/fd/${file.fd}`)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
  // Without /proc, what the path leads to must be what was opened. Between any two looks it can lead elsewhere, so there are many.
  const real = canonical(await realpath(path))
  for (let look = 0; look < LOOKS; look += 1) {
    const there = await stat(real, { bigint: true })
    // Some network drives number no files.
    if (there.dev !== opened.dev || there.ino !== opened.ino || there.ino === 0n) return undefined
    if (canonical(await realpath(path)) !== real) return undefined
  }
  return real
}

/** Linux says it in the name of a file that was unlinked since it was opened: a name that no rule was made for. */
async function isGone(real: string, opened: BigIntStats): Promise<boolean> {
  if (!real.endsWith(' (deleted)')) return false
  try {
    const there = await stat(real, { bigint: true })
    return there.dev !== opened.dev || there.ino !== opened.ino
  } catch (error) {
    if (isAbsent(error)) return true
    throw error
  }
}

/** Whether one of the paths leads to the opened file: compared as files, for one can have several names. */
async function isAmong(paths: readonly string[], opened: BigIntStats): Promise<boolean> {
  const same = paths.map(async (path) => {
    const there = await stat(path, { bigint: true }).catch((error: unknown) => {
      if (isAbsent(error)) return undefined
      throw error
    })
    // On Windows a file that cannot be opened now has no number.
    if (there?.ino === 0n) throw failure('locked', quote(path))
    return there !== undefined && there.dev === opened.dev && there.ino === opened.ino
  })
  return (await Promise.all(same)).includes(true)
}

/** What makes two openings the same source. No device number: it changes at a reboot. */
function versionOf(stats: BigIntStats, policy: string): string {
  if (policy === 'prefix') return `ino-${stats.ino}`
  if (policy === 'size-only') return `size-${stats.size}`
  return everythingOf(stats)
}

function everythingOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size}-${mtimeNs}-${ctimeNs}-${ino}`
}

function isLoose(policy: string): boolean {
  return policy === 'prefix' || policy === 'size-only'
}

function createSource({
  file,
  path,
  shown,
  stats,
  policy,
}: {
  file: FileHandle
  path: string
  shown: string
  stats: BigIntStats
  policy: string
}): Source {
  const version = versionOf(stats, policy)
  const modifiedMs = Number(stats.mtimeNs / 1_000_000n)
  const changed = (how: string): JobFailure =>
    new JobFailure(
      'changed',
      `${shown} ${how} while it was being sent. Ask again, or use the policy ${isLoose(policy) ? 'restart' : 'restart or prefix'}.`,
    )

  const check = async (size: number): Promise<void> => {
    const now = await file.stat({ bigint: true })
    if (Number(now.size) < size) throw changed('became shorter')
    if (versionOf(now, policy) !== version) throw changed('changed')
  }

  const fill = async (buffer: Buffer, position: number): Promise<void> => {
    for (let filled = 0; filled < buffer.length;) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled)
      if (bytesRead === 0) throw changed('became shorter')
      filled += bytesRead
    }
  }

  return {
    path,
    size: Number(stats.size),
    version,
    loose: isLoose(policy),
    modified: modifiedMs >= 0 && modifiedMs < Date.UTC(9999, 0) ? new Date(modifiedMs).toISOString() : undefined,
    fresh: modifiedMs > Date.now() - FRESH_MS,
    async read(buffer, position) {
      try {
        await fill(buffer, position)
        await check(position + buffer.length)
      } catch (error) {
        throw asFailure(error, shown)
      }
    },
    async check(size) {
      try {
        await check(size)
      } catch (error) {
        throw asFailure(error, shown)
      }
    },
    async touched() {
      try {
        return everythingOf(await file.stat({ bigint: true })) !== everythingOf(stats)
      } catch (error) {
        throw asFailure(error, shown)
      }
    },
    close: () => file.close(),
  }
}

function failure(code: FailureCode, shown: string, cause?: unknown): JobFailure {
  const text = advice[code] ?? `cannot be read: ${messageOf(cause)}. Check the disk at the client.`
  return new JobFailure(code, `${shown} ${text}`, { cause })
}

function asFailure(error: unknown, shown: string): JobFailure | JobDropped {
  if (error instanceof JobFailure) return error
  // Something else at the client uses them up; the file is as good as ever.
  if (exhausted.has(systemCode(error) ?? ''))
    return new JobDropped(`${shown} cannot be read now: ${messageOf(error)}`, { again: true })
  if (isAbsent(error)) return failure('not-found', shown, error)
  return failure(codes[systemCode(error) ?? ''] ?? 'io-error', shown, error)
}
