import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { link, open, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Sha256 } from '../shared/digest.ts'
import { systemCode } from '../shared/errors.ts'
import { CliError } from './errors.ts'
import type { Received, Sink } from './receive.ts'
import { asOurs, fileSink, streamSink } from './sinks.ts'
import { fileExists, type Target } from './target.ts'

/** What was saved. `path` is undefined when it went to standard output; `verified` is false when there was no SHA-256 to compare. */
export interface Saved {
  path: string | undefined
  size: number
  sha256: Sha256
  verified: boolean
}

export interface SaveOptions {
  target: Exclude<Target, { kind: 'folder' }>
  stdout: Writable
  /** Brings the content into the sink. */
  fill: (sink: Sink) => Promise<Received>
  /** The SHA-256 to compare with, asked for when the content came without one. */
  expected: () => Promise<Sha256 | undefined>
}

/**
 * Saves a content and compares its SHA-256. A file appears under its name complete and compared, or not at all.
 * @throws CliError `damaged` when the SHA-256 differs, `write-failed`, `file-exists`, or what `fill` throws
 */
export async function save(options: SaveOptions): Promise<Saved> {
  const { target, stdout, fill } = options
  if (target.kind === 'file') return saveFile(target, options)
  if (target.kind === 'stdout') return compared(await fill(streamSink(stdout, 'standard output')), undefined, options)
  const device = createWriteStream(target.path, { flags: 'w' })
  const result = await compared(await fill(streamSink(device, target.path)), target.path, options)
  await finished(device.end())
  return result
}

async function saveFile(target: Target & { kind: 'file' }, options: SaveOptions): Promise<Saved> {
  const { path, overwrite } = target
  // A short name of its own: with the target's in it, it could be longer than a file name may be.
  const part = join(dirname(path), `.backhaul-${randomBytes(8).toString('hex')}.part`)
  const file = await asOurs(part, () => open(part, 'wx'))
  try {
    const result = await compared(await options.fill(fileSink(file, path)), path, options)
    await asOurs(path, async () => {
      await file.sync()
      await place(part, path, overwrite)
    })
    return result
  } catch (error) {
    await rm(part, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function compared(received: Received, path: string | undefined, { expected }: SaveOptions): Promise<Saved> {
  const { size, sha256, promised } = received
  const expect = promised ?? (await expected())
  if (expect !== undefined && expect !== sha256) {
    const kept = path === undefined ? 'do not use the output' : 'nothing was kept'
    throw new CliError('damaged', `What arrived has the SHA-256 ${sha256}, not ${expect}; ${kept}. Run it again.`)
  }
  return { path, size, sha256, verified: expect !== undefined }
}

async function place(part: string, path: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(part, path)
  try {
    // Unlike a rename, a link never replaces a file that appeared meanwhile.
    await link(part, path)
    await unlink(part)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') throw fileExists(path)
    // A file system without hard links: target.ts has looked before the transfer.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error
    await rename(part, path)
  }
}
