import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { command, envOf, placeIn } from '../helpers/backups.ts'
import { sha256Of, sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { start } from '../helpers/process.ts'
import { startSite, writeOld, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const SITES = 3
const SIZE = 12 * MiB
/** Bytes per second of each site's line, while backups are taken: chunks land before, meanwhile and afterwards. */
const RATE = 300_000

describe('a backup of a server that runs', () => {
  let stack: Stack
  const sites: Site[] = []

  beforeEach(async () => {
    stack = await startStack()
  })
  afterEach(async () => {
    await Promise.all(sites.splice(0).map(({ proxy }) => proxy.close()))
    await stack.stop()
  })

  const received = async (id: string): Promise<number> => (await stack.get(`/downloads/${id}`))['bytesReceived']

  test('taken during uploads, restored elsewhere: agents go on by themselves, and every file is what it was', async () => {
    const before = join(stack.folder, 'before')
    const early = await writeRandom(before, 300_000)
    await stack.online('early', ['--file', before])
    const first = await stack.reached((await stack.ask({ clientId: 'early' }))['id'], 'completed')
    const lost = await stack.ask({ clientId: 'early', path: 'nothing' })

    sites.push(...(await Promise.all(Array.from({ length: SITES }, (_, number) => startSite(stack, `site_${number}`)))))
    const digests = await Promise.all(sites.map(({ root }) => writeOld(join(root, 'video'), SIZE)))
    for (const { proxy } of sites) proxy.slow(RATE)
    const asked = await Promise.all(sites.map(({ id }) => stack.ask({ clientId: id, path: 'video' })))
    await Promise.all(asked.map(({ id }) => until('bytes', async () => (await received(id)) > RATE / 2)))
    const to = join(stack.folder, 'backup')
    // Again and again into the same folder; the last one counts.
    const here = placeIn(stack.folder)
    expect(await command(here, 'backup', to)).toMatchObject({ code: 0, said: { run: 1, files: { copied: 1 } } })
    const { code, said: last } = await command(here, 'backup', to)
    expect([code, last]).toMatchObject([0, { run: 2, files: { count: 1, kept: 1 }, parts: { count: SITES }, lost: [] }])
    expect(last['parts']['bytes']).toBeGreaterThan((SITES * RATE) / 2)
    // What comes after it is lost with the server.
    const sum = async (): Promise<number> =>
      (await Promise.all(asked.map(({ id }) => received(id)))).reduce((all, bytes) => all + bytes, 0)
    await until('more bytes', async () => (await sum()) > last['parts']['bytes'])
    const running = await Promise.all(asked.map(({ id }) => stack.get(`/downloads/${id}`)))
    expect(running.map(({ status }) => status)).toEqual(asked.map(() => 'transferring'))
    await stack.server.kill('SIGKILL')
    // One that is down can be backed up, too.
    const afterwards = await command(here, 'backup', join(stack.folder, 'afterwards'))
    expect(afterwards).toMatchObject({ code: 0, said: { parts: { count: SITES }, lost: [] } })

    const elsewhere = placeIn(join(stack.folder, 'elsewhere'))
    const restored = await command(elsewhere, 'restore', to)
    expect(restored).toMatchObject({ code: 0, said: { lost: [], run: 2, parts: last['parts'] } })
    const server = start('server/main.ts', [], { ...envOf(elsewhere), PORT: new URL(stack.url).port })
    try {
      await server.line((line) => line['msg'] === 'listening')
      expect(await sum()).toBeGreaterThanOrEqual(last['parts']['bytes'])
      for (const { proxy } of sites) proxy.slow(Infinity)
      for (const [index, { id }] of asked.entries()) {
        const done = await stack.reached(id, 'completed')
        // The attempt of before, of which nothing is sent again.
        expect(done).toMatchObject({ attempt: 1, verified: true, sha256: digests[index], bytesResent: 0 })
        expect(await sha256OfFile(done['filePath'])).toBe(digests[index])
      }
      const content = await fetch(`${stack.url}/downloads/${first['id']}/content`)
      expect(sha256Of(Buffer.from(await content.arrayBuffer()))).toBe(early)
      expect(await stack.get(`/downloads/${lost['id']}`)).toMatchObject({ status: 'failed', reason: 'not-found' })
      const incoming = (): Promise<string[]> => readdir(join(elsewhere.storage, '.incoming'))
      await until('no part to be left', async () => (await incoming()).join() === 'lock.db')
    } finally {
      await server.kill('SIGTERM')
    }
  })

  test('as hard links: no byte of a finished file is written twice, and both names stay good', async () => {
    const file = join(stack.folder, 'video')
    const sha256 = await writeRandom(file, MiB)
    await stack.online('site', ['--file', file])
    const { id, filePath } = await stack.reached((await stack.ask({ clientId: 'site' }))['id'], 'completed')
    const to = join(stack.folder, 'backup')
    expect(await command(placeIn(stack.folder), 'backup', to, '--link')).toMatchObject({
      code: 0,
      said: { files: { linked: 1 } },
    })
    const [name = ''] = await readdir(join(to, 'files'))
    expect((await stat(join(to, 'files', name))).ino).toBe((await stat(filePath)).ino)
    const removed = await fetch(`${stack.url}/downloads/${id}/content`, { method: 'DELETE' })
    expect(removed.status).toBe(200)
    const elsewhere = placeIn(join(stack.folder, 'elsewhere'))
    expect(await command(elsewhere, 'restore', to)).toMatchObject({ code: 0 })
    expect(await sha256OfFile(join(elsewhere.storage, name))).toBe(sha256)
    // Removed since: the next backup has it no more.
    expect(await command(placeIn(stack.folder), 'backup', to)).toMatchObject({
      code: 0,
      said: { files: { count: 0 }, lost: [] },
    })
    expect(await readdir(join(to, 'files'))).toEqual([])
  })
})
