import { appendFile, open, rename, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { policies, type Policy } from '../../shared/protocol.ts'
import { sha256Of, sha256OfFile } from '../helpers/folder.ts'
import { holdUpload } from '../helpers/held.ts'
import { CHUNK, goOn, interrupt, MOST_IN_FLIGHT, startSite, writeOld, type Site } from '../helpers/site.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { testWith } from '../helpers/needs.ts'

const KiB = 1024
const SIZE = 3 * MOST_IN_FLIGHT
/** More than what is in flight, and less than half of the file. */
const HELD_AFTER = MOST_IN_FLIGHT + 512 * KiB

const rewrite = async (file: string): Promise<void> => {
  const handle = await open(file, 'r+')
  await handle.write(randomBytes(SIZE), 0, SIZE, 0)
  await handle.close()
}
const replace = async (file: string): Promise<void> => {
  await writeFile(`${file}.new`, randomBytes(SIZE))
  await rename(`${file}.new`, file)
}

/** What can happen to a file; `writeFile` cuts it to nothing first, as log rotation by copying does. */
const changes = {
  appended: (file: string) => appendFile(file, randomBytes(SIZE / 4)),
  truncated: (file: string) => truncate(file, SIZE / 2),
  'truncated and grown again': (file: string) => writeFile(file, randomBytes(SIZE)),
  'rewritten in place': rewrite,
  'renamed over': replace,
  deleted: unlink,
  touched: (file: string) => utimes(file, new Date(), new Date()),
}
type Change = keyof typeof changes

/** How a download ended: completed with the version from before or after the change, or failed with a reason. */
type Outcome = 'before' | 'after' | 'changed' | 'not-found'

const outcomes = (
  fail: Outcome,
  restart: Outcome,
  prefix: Outcome,
  sizeOnly: Outcome,
  reread: Outcome,
): Record<Policy, Outcome> => ({ fail, restart, prefix, 'size-only': sizeOnly, reread })

const whileRead: Record<Change, Record<Policy, Outcome>> = {
  appended: outcomes('changed', 'after', 'before', 'changed', 'changed'),
  truncated: outcomes('changed', 'after', 'changed', 'changed', 'changed'),
  'truncated and grown again': outcomes('changed', 'after', 'changed', 'changed', 'changed'),
  'rewritten in place': outcomes('changed', 'after', 'changed', 'changed', 'changed'),
  // Where the name does not count, the opened file is read to its end.
  'renamed over': outcomes('changed', 'after', 'before', 'before', 'changed'),
  deleted: outcomes('changed', 'not-found', 'before', 'before', 'changed'),
  touched: outcomes('changed', 'before', 'before', 'before', 'changed'),
}

const whileInterrupted: Record<Change, Record<Policy, Outcome>> = {
  ...whileRead,
  'renamed over': outcomes('changed', 'after', 'changed', 'changed', 'changed'),
  deleted: outcomes('not-found', 'not-found', 'not-found', 'not-found', 'not-found'),
}

interface Held {
  site: Site
  file: string
  before: string
  download: string
}

describe('a source that changes', () => {
  let stack: Stack
  let sites: Site[]

  beforeAll(async () => {
    stack = await startStack({ LOG_LEVEL: 'debug' })
    sites = await Promise.all(policies.map((policy) => startSite(stack, policy)))
  })
  afterAll(async () => {
    await stack.stop()
    await Promise.all(sites.map(({ proxy }) => proxy.close()))
  })

  /** A transfer in its middle, of the client that is named after its policy. */
  const hold = async (site: Site, name: string): Promise<Held> => {
    const file = join(site.root, name)
    const before = await writeOld(file, SIZE)
    const ask = { clientId: site.id, policy: site.id, path: name }
    const download = await holdUpload({ stack, proxy: site.proxy }, ask, HELD_AFTER)
    return { site, file, before, download }
  }

  /** The end of a download; what completed is exactly one version, verified, and lies there. */
  const endOf = async ({ file, before, download }: Held): Promise<{ outcome: Outcome; end: Json }> => {
    const end = await stack.reached(download, 'completed', 'failed')
    if (end['status'] === 'failed') return { outcome: end['reason'], end }
    expect(end).toMatchObject({ verified: true, bytesReceived: end['size'] })
    expect(sha256Of(await stack.stored(end))).toBe(end['sha256'])
    if (end['sha256'] === before) return { outcome: 'before', end }
    expect(end['sha256']).toBe(await sha256OfFile(file))
    return { outcome: 'after', end }
  }

  const ended = async (held: readonly Held[]): Promise<Record<string, Outcome>> => {
    const ends = await Promise.all(held.map(async (one) => [one.site.id, (await endOf(one)).outcome] as const))
    return Object.fromEntries(ends)
  }

  test.each(Object.keys(changes) as Change[])('while it is being read: %s', async (change) => {
    const held = await Promise.all(sites.map((site) => hold(site, `read, ${change}`)))
    await Promise.all(held.map(({ file }) => changes[change](file)))
    for (const { site } of held) site.proxy.allow(Infinity)
    expect(await ended(held)).toEqual(whileRead[change])
  })

  /** Chunks that the server took since a new agent began its session, from the server's log. */
  const storedSince = (mark: number, download: string): number => {
    const text = stack.server.output().slice(mark)
    const since = text.slice(text.indexOf('"path":"/sessions"'))
    return since.split(`"method":"PUT","path":"/jobs/${download}/file","status":204`).length - 1
  }

  for (const change of Object.keys(changes) as Change[]) {
    const name = `between an interruption and the resume, noticed before a byte is added: ${change}`
    testWith({ long: change !== 'appended' && change !== 'rewritten in place' }, name, async () => {
      const held = await Promise.all(sites.map((site) => hold(site, `resumed, ${change}`)))
      await interrupt(sites)
      await Promise.all(held.map(({ file }) => changes[change](file)))
      const sentBefore = held.map(({ site }) => site.proxy.sent())
      const mark = stack.server.output().length
      goOn(stack, sites)
      expect(await ended(held)).toEqual(whileInterrupted[change])
      for (const [index, one] of held.entries()) {
        const { outcome, end } = await endOf(one)
        if (outcome === 'before' || outcome === 'after') {
          // What is gone on with is the same version; another one gets an attempt of its own.
          expect([one.site.id, end['attempt']]).toEqual([one.site.id, one.site.id === 'restart' ? 2 : 1])
          expect(storedSince(mark, one.download)).toBeGreaterThan(0)
        } else {
          expect(end['attempt']).toBe(1)
          expect(storedSince(mark, one.download)).toBe(0)
          expect(one.site.proxy.sent() - (sentBefore[index] ?? 0)).toBeLessThan(CHUNK)
        }
      }
    })
  }
})
