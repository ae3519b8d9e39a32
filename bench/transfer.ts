import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pause } from '../shared/wait.ts'
import { startMeter, type Measured } from './meter.ts'
import type { Peer, Place } from './peers/peer.ts'
import { expectStored, type Source } from './source.ts'

/** One file, moved once. */
export interface Transfer {
  bytes: number
  /** From the request to the file that is stored; Infinity when it was given up. */
  seconds: number
  server: Measured
  client: Measured
}

export interface TransferOptions {
  place: Place
  source: Source
  /** Where the server's folder is made, and removed again. */
  folder: string
  signal: AbortSignal
  /** Seconds after which it is given up. */
  cap?: number
}

/**
 * Starts both ends afresh, moves the file, and looks whether it has arrived. Only the time of the transfer counts, not
 * that of the start.
 */
export async function transfer(peer: Peer, options: TransferOptions): Promise<Transfer> {
  const { place, source, signal, cap = 3600 } = options
  signal.throwIfAborted()
  const folder = join(options.folder, 'server')
  await mkdir(folder)
  try {
    const pair = await peer.start({ place, source: source.path, folder })
    try {
      const [server, client] = [await startMeter(pair.server), await startMeter(pair.client)]
      const seconds = await within(cap, signal, pair.send())
      const used = { server: await server.stop(), client: await client.stop() }
      if (seconds !== Infinity) await expectStored(folder, source)
      return { bytes: source.size, seconds, ...used }
    } finally {
      await pair.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What `work` gives, or Infinity when that takes longer. */
async function within(seconds: number, signal: AbortSignal, work: Promise<number>): Promise<number> {
  // It is not waited for when it is given up.
  work.catch(() => undefined)
  const done = new AbortController()
  const over = pause(seconds * 1000, AbortSignal.any([signal, done.signal])).then(() => Infinity)
  try {
    const result = await Promise.race([work, over])
    signal.throwIfAborted()
    return result
  } finally {
    done.abort()
  }
}
