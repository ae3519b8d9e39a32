import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { command, envOf, placeIn } from '../helpers/backups.ts'
import { sha256Of, sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { start } from '../helpers/process.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
/** Sites that upload while backups are taken. */
const SITES = 4
const SIZE = 12 * MiB

describe('a backup of a server that runs', () => {
  let stack: Stack

  beforeEach(async () => {
    stack = await startStack()
  })
  afterEach(() => stack.stop())

  /** A site with a file that takes some seconds to send. */
  const site = async (number: number): Promise<{ id: string; file: string; sha256: string }> => {
    const id = `site_${number}`
    const root = join(stack.folder, id)
    await mkdir(root)
    const sha256 = await writeRandom(join(root, 'video'), SIZE)
    await stack.online(id, ['--root', root, '--chunk-size', '64KiB', '--limit', '3MB/s'])
    return { id, file: 'video', sha256 }
  }

  test('taken during uploads, restored elsewhere: agents go on by themselves, and every file is what it was', async () => {
    const sites = await Promise.all(Array.from({ length: SITES }, (_, number) => site(number)))
    const before = join(stack.folder, 'before')
    const early = await writeRandom(before, 300_000)
    await stack.online('early', ['--file', before])
    const first = await stack.reached((await stack.ask({ clientId: 'early' }))['id'], 'completed')
    const waiting = await stack.ask({ clientId: 'early', path: 'nothing' })

    const asked = await Promise.all(sites.map(({ id, file }) => stack.ask({ clientId: id, path: file })))
    const received = async (id: string): Promise<number> => (await stack.get(`/downloads/${id}`))['bytesReceived']
    const to = join(stack.folder, 'backup')
    const here = placeIn(stack.folder)
    // Again and again while chunks land; the last one counts.
    let last: Json = {}
    for (const share of [0.1, 0.3, 0.5]) {
      await Promise.all(asked.map(({ id }) => until('bytes', async () => (await received(id)) > share * SIZE)))
      const { code, said } = await command(here, 'backup', to)
      expect(code).toBe(0)
      last = said
    }
    expect(last).toMatchObject({ run: 3, lost: [], files: { count: 1, copied: 0, kept: 1 } })
    expect(last['parts']['bytes']).toBeGreaterThan(0.5 * SIZE * SITES * 0.9)
    // What comes after it is lost with the server.
    await Promise.all(asked.map(({ id }) => until('more bytes', async () => (await received(id)) > 0.7 * SIZE)))
    await stack.server.kill('SIGKILL')

    const elsewhere = placeIn(join(stack.folder, 'elsewhere'))
    const restored = await command(elsewhere, 'restore', to)
    expect(restored).toMatchObject({ code: 0, said: { lost: [], run: 3, parts: last['parts'] } })
    const port = new URL(stack.url).port
    const server = start('server/main.ts', [], { ...envOf(elsewhere), PORT: port })
    try {
      await server.line((line) => line['msg'] === 'listening')
      for (const [index, { id }] of asked.entries()) {
        const now = await stack.get(`/downloads/${id}`)
        expect(now['bytesReceived']).toBeGreaterThanOrEqual(0.5 * SIZE)
        const done = await stack.reached(id, 'completed')
        // What the backup held was not sent again.
        expect(done).toMatchObject({ attempt: 1, verified: true, sha256: sites[index]!.sha256, bytesResent: 0 })
        expect(await sha256OfFile(done['filePath'])).toBe(sites[index]!.sha256)
      }
      const content = await fetch(`${stack.url}/downloads/${first['id']}/content`)
      expect(sha256Of(Buffer.from(await content.arrayBuffer()))).toBe(early)
      expect(await stack.get(`/downloads/${waiting['id']}`)).toMatchObject({ status: 'failed', reason: 'not-found' })
      expect(await readdir(join(elsewhere.storage, '.incoming'))).toEqual(['lock.db'])
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
