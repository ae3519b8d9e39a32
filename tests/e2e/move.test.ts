import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256Of } from '../helpers/folder.ts'
import { runMove, startMove, startMoving, type Moving, type NewHome } from '../helpers/moving.ts'
import { describeWith } from '../helpers/needs.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { start } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { startSite, writeOld, type Site } from '../helpers/site.ts'
import type { Json, Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
/** Bytes per second of a site's line, while it is in the middle of an upload. */
const RATE = 1_000_000
// Many programs are started, one after the other.
jest.setTimeout(300_000)

describeWith({ otherwise: postgresLacking() ?? s3Lacking() }, 'a move to PostgreSQL and S3', () => {
  let moving: Moving
  let stack: Stack
  let home: NewHome
  const sites: Site[] = []

  beforeEach(async () => {
    moving = await startMoving()
    stack = moving.stack
    home = moving.home
  })
  afterEach(async () => {
    await Promise.all(sites.splice(0).map(({ proxy }) => proxy.close()))
    await moving.stop()
  })

  test('everything comes along: files, what is half sent, what failed or waits, tokens, sessions and the audit', async () => {
    const files = await Promise.all([
      moving.finished('large', 20 * MiB + 7),
      moving.finished('small', 1000),
      moving.finished('empty', 0),
    ])
    const removed = await moving.finished('removed', 5000)
    const gone = `${stack.url}/downloads/${removed.download['id']}/content`
    expect((await fetch(gone, { method: 'DELETE', headers: bearer(ADMIN) })).status).toBe(200)
    const failed = await moving.failedHalfway()
    const once = () => stack.post('/downloads', { clientId: 'small' }, { 'idempotency-key': 'once' })
    const waiting = (await once()).body['id']
    const watcher = await stack.post('/tokens', { name: 'watcher', role: 'reader' })
    const site = await startSite(stack, 'half')
    sites.push(site)
    const sha256 = await writeOld(join(site.root, 'video'), 6 * MiB)
    site.proxy.slow(RATE)
    const half = (await stack.ask({ clientId: 'half', path: 'video' }))['id']
    await until('bytes', async () => (await stack.get(`/downloads/${half}`))['bytesReceived'] > 3 * MiB)
    site.proxy.slow(RATE / 20)

    const refused = await runMove(stack, home.to)
    expect(refused).toMatchObject({ code: 1, said: { error: { code: 'in-use' } } })
    await stack.server.kill('SIGTERM')
    const db = new DatabaseSync(moving.database, { readOnly: true })
    const received = Number(
      db.prepare('SELECT bytes_received FROM downloads WHERE id = ?').get(half)?.['bytes_received'],
    )
    const audit = db.prepare('SELECT * FROM audit ORDER BY seq').all()
    const credentials = db.prepare('SELECT id FROM credentials ORDER BY rowid').all()
    db.close()
    const would = await runMove(stack, home.to, '--dry-run')
    expect(would).toMatchObject({ code: 0, said: { files: { files: 3, bytes: 20 * MiB + 1007 }, parts: { files: 2 } } })
    expect(existsSync(`${moving.database}.moved`)).toBe(false)
    const { code, said, text } = await runMove(stack, home.to)
    expect([code, said]).toMatchObject([0, { finished: true, lost: [], parts: { bytes: received + 2 * MiB } }])
    expect(text).not.toContain(ADMIN)

    // Agents must not meet two servers.
    const old = moving.startOld()
    expect([await old.exited, old.output()]).toEqual([1, expect.stringContaining('was moved to postgres://')])
    expect(await runMove(stack, home.to)).toMatchObject({ code: 2, said: { error: { code: 'moved' } } })

    const sent = site.proxy.sent()
    await moving.startThere()
    expect((await stack.get(`/downloads/${half}`))['bytesReceived']).toBeGreaterThanOrEqual(received)
    site.proxy.slow(Infinity)
    const done = await stack.reached(half, 'completed')
    expect(done).toMatchObject({ attempt: 1, sha256, verified: true })
    // A chunk whose answer was lost as the server stopped may come again; the others do not.
    expect(done['bytesResent']).toBeLessThan(MiB)
    expect(site.proxy.sent() - sent).toBeLessThan(6 * MiB - received + MiB)
    expect(sha256Of(await moving.contentOf(half))).toBe(sha256)
    for (const file of files) {
      expect(await stack.get(`/downloads/${file.download['id']}`)).toEqual({
        ...file.download,
        filePath: `${home.place.url}/files/${basename(file.download['filePath'])}`,
      })
      expect(sha256Of(await moving.contentOf(file.download['id']))).toBe(file.sha256)
    }
    expect(await stack.get(`/downloads/${removed.download['id']}`)).toMatchObject({ status: 'completed' })
    // What was there of the failed one counts, in the session and with the token of before.
    expect((await stack.post(`/downloads/${failed.id}/retry`)).status).toBe(202)
    const begun = await failed.begin()
    expect(begun.body).toMatchObject({
      attempt: 1,
      received: [
        { start: 0, end: MiB },
        { start: 2 * MiB, end: 3 * MiB },
      ],
    })
    expect((await failed.put(MiB, 2 * MiB)).status).toBe(204)
    expect((await failed.complete()).body).toMatchObject({ status: 'completed' })
    expect((await once()).body['id']).toBe(waiting)
    await stack.online('small', ['--file', join(stack.folder, 'small')])
    await stack.reached(waiting, 'completed')

    const asWatcher = await fetch(`${stack.url}/downloads`, { headers: bearer(watcher.body['secret']) })
    expect(asWatcher.status).toBe(200)
    const there = (await stack.get('/audit?limit=1000'))['entries'] as Json[]
    expect(there.length).toBeGreaterThan(audit.length)
    const sameActions = there
      .toReversed()
      .slice(0, audit.length)
      .map(({ actor, action, status }) => ({ actor, action, status }))
    expect(sameActions).toEqual(audit.map(({ actor, action, status }) => ({ actor, action, status })))
    expect((await stack.get('/credentials'))['credentials']).toHaveLength(credentials.length)
    const listed = (await stack.get('/downloads'))['downloads'] as Json[]
    expect(listed).toHaveLength(7)
    await until('nothing but finished files', async () =>
      (await home.place.keys()).every((key) => !key.startsWith('parts/')),
    )
  })

  test('killed in the middle, twice: what is there is not sent again, and no server starts before its end', async () => {
    const files = await Promise.all(['a', 'b', 'c'].map((id) => moving.finished(id, 40 * MiB)))
    const failed = await moving.failedHalfway()
    await stack.server.kill('SIGTERM')
    const line = await startProxy(home.place.endpoint)
    try {
      const slow = { ...home.to, S3_ENDPOINT: line.url }
      for (const megabytes of [64, 64]) {
        line.allow(megabytes * MiB)
        const running = startMove(stack, slow)
        await line.held()
        await running.kill('SIGKILL')
        line.cut()
      }
      expect(line.sent()).toBeGreaterThan(100 * MiB)
      const before = start('server/main.ts', [], { ...home.env, PORT: '0' })
      expect([await before.exited, before.output()]).toEqual([1, expect.stringContaining('is not finished')])
      const old = moving.startOld()
      expect([await old.exited, old.output()]).toEqual([1, expect.stringContaining('run move again')])

      const sent = line.sent()
      line.allow(Infinity)
      expect(await runMove(stack, slow)).toMatchObject({ code: 0, said: { finished: true, lost: [] } })
      // What was on its way is sent again: six chunks of 8 MiB each time at most.
      expect(line.sent() - sent).toBeLessThan((3 * 40 + 2 - 16) * MiB)
    } finally {
      await line.close()
    }
    await moving.startThere()
    for (const { download, sha256 } of files) expect(sha256Of(await moving.contentOf(download['id']))).toBe(sha256)
    await stack.post(`/downloads/${failed.id}/retry`)
    expect((await failed.begin()).status).toBe(200)
    expect((await failed.put(MiB, 2 * MiB)).status).toBe(204)
    expect((await failed.complete()).body).toMatchObject({ status: 'completed' })
    await until('nothing but finished files', async () =>
      (await home.place.keys()).every((key) => !key.startsWith('parts/')),
    )
  })
})
