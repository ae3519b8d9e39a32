import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { putChunk } from '../helpers/chunks.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { enrolledSite } from '../helpers/keyed-site.ts'
import { newHome, runMove, startMove, type NewHome } from '../helpers/moving.ts'
import { describeWith } from '../helpers/needs.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { start } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { startSite, writeOld, type Site } from '../helpers/site.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
/** Bytes per second of a site's line, while it is in the middle of an upload. */
const RATE = 400_000

describeWith({ otherwise: postgresLacking() ?? s3Lacking() }, 'a move to PostgreSQL and S3', () => {
  let env: Record<string, string>
  let stack: Stack
  let home: NewHome
  const sites: Site[] = []

  beforeEach(async () => {
    env = { AUTH: 'on', ADMIN_TOKEN: ADMIN }
    stack = await startStack(env)
    home = await newHome()
  })
  afterEach(async () => {
    await Promise.all(sites.splice(0).map(({ proxy }) => proxy.close()))
    await stack.stop()
    await home.place.remove()
  })

  const database = (): string => join(stack.folder, 'data', 'backhaul.db')

  /** The server of before, at its new place and on its old port. */
  const startThere = async (): Promise<void> => {
    Object.assign(env, home.env)
    await stack.restart()
  }

  const contentOf = async (id: string): Promise<Buffer> => {
    const response = await fetch(`${stack.url}/downloads/${id}/content`, {
      headers: { authorization: `Bearer ${ADMIN}` },
    })
    expect(response.status).toBe(200)
    return Buffer.from(await response.arrayBuffer())
  }

  /** A finished file of a site of its own. */
  const finished = async (id: string, size: number): Promise<{ download: Json; sha256: string }> => {
    const file = join(stack.folder, id)
    const sha256 = await writeRandom(file, size)
    const agent = await stack.online(id, ['--file', file])
    const download = await stack.reached((await stack.ask({ clientId: id }))['id'], 'completed')
    await agent.kill('SIGTERM')
    return { download, sha256 }
  }

  /** A job that failed in the middle, of a client that has a key, and whose session goes on. */
  const failedHalfway = async () => {
    const site = await enrolledSite(stack)
    const session = await site.enter()
    const content = randomBytes(3 * MiB)
    const { id } = await stack.ask({ clientId: site.clientId })
    const own = { authorization: `Bearer ${session.token}`, 'agent-session': session.session }
    const begin = () => stack.post(`/jobs/${id}/begin`, { source: 'v1', size: content.byteLength }, own)
    const put = (from: number, to: number) =>
      putChunk(stack, id, {
        session: session.session,
        attempt: 1,
        start: from,
        bytes: content.subarray(from, to),
        total: content.byteLength,
        headers: own,
      })
    expect((await begin()).status).toBe(200)
    expect((await put(0, MiB)).status).toBe(204)
    expect((await put(2 * MiB, 3 * MiB)).status).toBe(204)
    expect((await stack.post(`/jobs/${id}/fail`, { attempt: 1, code: 'io-error' }, own)).status).toBe(200)
    const complete = () => {
      const end = { attempt: 1, size: content.byteLength, sha256: sha256Of(content) }
      return stack.post(`/jobs/${id}/complete`, end, own)
    }
    return { id: String(id), begin, put, complete }
  }

  test('everything comes along: files, what is half sent, what failed or waits, tokens, sessions and the audit', async () => {
    const files = await Promise.all([finished('large', 20 * MiB + 7), finished('small', 1000), finished('empty', 0)])
    const removed = await finished('removed', 5000)
    const gone = `${stack.url}/downloads/${removed.download['id']}/content`
    expect((await fetch(gone, { method: 'DELETE', headers: { authorization: `Bearer ${ADMIN}` } })).status).toBe(200)
    const failed = await failedHalfway()
    const waiting = (await stack.ask({ clientId: 'small' }))['id']
    await stack.post('/tokens', { name: 'watcher', role: 'viewer' })
    const site = await startSite(stack, 'half')
    sites.push(site)
    const sha256 = await writeOld(join(site.root, 'video'), 6 * MiB)
    site.proxy.slow(RATE)
    const half = (await stack.ask({ clientId: 'half', path: 'video' }))['id']
    await until('bytes', async () => (await stack.get(`/downloads/${half}`))['bytesReceived'] > RATE)

    const refused = await runMove(stack, home.to)
    expect(refused).toMatchObject({ code: 1, said: { error: { code: 'in-use' } } })
    // What is on the line when a server stops is sent again; here nothing is.
    site.proxy.allow(0)
    await site.proxy.held()
    let [looks, before] = [0, -1]
    await until('the last answer', async () => {
      const { bytesReceived } = await stack.get(`/downloads/${half}`)
      looks = bytesReceived === before ? looks + 1 : 0
      before = bytesReceived
      return looks > 20
    })
    await stack.server.kill('SIGTERM')
    const db = new DatabaseSync(database(), { readOnly: true })
    const received = Number(
      db.prepare('SELECT bytes_received FROM downloads WHERE id = ?').get(half)?.['bytes_received'],
    )
    const audit = db.prepare('SELECT * FROM audit ORDER BY seq').all()
    const credentials = db.prepare('SELECT id FROM credentials ORDER BY rowid').all()
    db.close()
    const would = await runMove(stack, home.to, '--dry-run')
    expect(would).toMatchObject({ code: 0, said: { files: { files: 3, bytes: 20 * MiB + 1007 }, parts: { files: 2 } } })
    expect(existsSync(`${database()}.moved`)).toBe(false)
    const { code, said, text } = await runMove(stack, home.to)
    expect([code, said]).toMatchObject([0, { finished: true, lost: [], parts: { bytes: received + 2 * MiB } }])
    expect(text).not.toContain(ADMIN)

    // Agents must not meet two servers.
    const old = start('server/main.ts', [], {
      DATABASE_URL: `sqlite:${database()}`,
      STORAGE_URL: `file:${stack.downloads}`,
    })
    expect([await old.exited, old.output()]).toEqual([1, expect.stringContaining('was moved to postgres://')])
    expect(await runMove(stack, home.to)).toMatchObject({ code: 2, said: { error: { code: 'moved' } } })

    await startThere()
    expect((await stack.get(`/downloads/${half}`))['bytesReceived']).toBeGreaterThanOrEqual(received)
    site.proxy.slow(Infinity)
    site.proxy.allow(Infinity)
    expect(await stack.reached(half, 'completed')).toMatchObject({ attempt: 1, sha256, verified: true, bytesResent: 0 })
    expect(sha256Of(await contentOf(half))).toBe(sha256)
    for (const file of files) {
      expect(await stack.get(`/downloads/${file.download['id']}`)).toEqual({
        ...file.download,
        filePath: `${home.place.url}/files/${file.download['fileName'] ?? String(file.download['filePath']).split('/').at(-1)}`,
      })
      expect(sha256Of(await contentOf(file.download['id']))).toBe(file.sha256)
    }
    expect(await stack.get(`/downloads/${removed.download['id']}`)).toMatchObject({ status: 'completed' })
    // What was there of the failed one counts, in the session and with the token of before.
    expect((await stack.post(`/downloads/${failed.id}/retry`)).status).toBe(202)
    const begun = await failed.begin()
    expect(begun.body).toMatchObject({
      attempt: 1,
      received: [
        [0, MiB],
        [2 * MiB, 3 * MiB],
      ].map(([start, end]) => ({ start, end })),
    })
    expect((await failed.put(MiB, 2 * MiB)).status).toBe(204)
    expect((await failed.complete()).body).toMatchObject({ status: 'completed' })
    await stack.online('small', ['--file', join(stack.folder, 'small')])
    await stack.reached(waiting, 'completed')

    expect((await stack.get('/tokens'))['tokens']).toMatchObject([{ name: expect.anything() }, { name: 'watcher' }])
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
    const files = await Promise.all(['a', 'b', 'c'].map((id) => finished(id, 40 * MiB)))
    const failed = await failedHalfway()
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
      const old = start('server/main.ts', [], {
        DATABASE_URL: `sqlite:${database()}`,
        STORAGE_URL: `file:${stack.downloads}`,
      })
      expect([await old.exited, old.output()]).toEqual([1, expect.stringContaining('run move again')])

      const sent = line.sent()
      line.allow(Infinity)
      expect(await runMove(stack, slow)).toMatchObject({ code: 0, said: { finished: true, lost: [] } })
      // What was on its way is sent again: six chunks of 8 MiB each time at most.
      expect(line.sent() - sent).toBeLessThan((3 * 40 + 2 - 16) * MiB)
    } finally {
      await line.close()
    }
    await startThere()
    for (const { download, sha256 } of files) expect(sha256Of(await contentOf(download['id']))).toBe(sha256)
    await stack.post(`/downloads/${failed.id}/retry`)
    expect((await failed.begin()).status).toBe(200)
    expect((await failed.put(MiB, 2 * MiB)).status).toBe(204)
    expect((await failed.complete()).body).toMatchObject({ status: 'completed' })
    await until('nothing but finished files', async () =>
      (await home.place.keys()).every((key) => !key.startsWith('parts/')),
    )
  })

  test('a place that is in use is refused, and nothing is changed', async () => {
    const other = await startStack({ ...home.env })
    try {
      await other.online('somebody', ['--file', join(stack.folder, 'nothing')]).catch(() => undefined)
      await stack.server.kill('SIGTERM')
      expect(await runMove(stack, home.to)).toMatchObject({ code: 1, said: { error: { code: 'in-use' } } })
      await other.server.kill('SIGTERM')
      expect(await runMove(stack, home.to)).toMatchObject({ code: 2, said: { error: { code: 'not-empty' } } })
      expect(existsSync(`${database()}.moved`)).toBe(false)
      // Another database cannot have the same place in the bucket.
      const mixed = { ...home.to, TO_DATABASE_URL: (await newHome()).url }
      expect(await runMove(stack, mixed)).toMatchObject({
        code: 1,
        said: { error: { message: expect.stringContaining('s3://') } },
      })
      await stack.restart()
    } finally {
      await other.stop()
    }
  })

  test('what is damaged or missing is told by name; the rest can be moved without it', async () => {
    const [good, bad, lost] = [
      await finished('good', MiB),
      await finished('bad', 9 * MiB),
      await finished('lost', 1000),
    ]
    const failed = await failedHalfway()
    await stack.server.kill('SIGTERM')
    const file = await open(bad.download['filePath'], 'r+')
    await file.write(Buffer.from([1, 2, 3, 4]), 0, 4, 8 * MiB + 100)
    await file.close()
    await rm(lost.download['filePath'])
    const part = await open(join(stack.downloads, '.incoming', `${failed.id}.1.part`), 'r+')
    await part.write(Buffer.from([1, 2, 3, 4]), 0, 4, 100)
    await part.close()

    const told = await runMove(stack, home.to)
    expect([told.code, told.said]).toMatchObject([1, { finished: false }])
    const words = (told.said['lost'] as string[]).join('\n')
    for (const name of [bad.download['filePath'], lost.download['filePath']])
      expect(words).toContain(String(name).split('/').at(-1))
    expect(words).toContain(`${failed.id}.1.part has lost ${MiB} bytes`)
    await writeFile(lost.download['filePath'], 'not what it was')
    expect(await runMove(stack, home.to, '--accept-damage')).toMatchObject({
      code: 0,
      said: { finished: true, lost: told.said['lost'].map(() => expect.anything()) },
    })
    await startThere()
    expect(sha256Of(await contentOf(good.download['id']))).toBe(good.sha256)
    for (const { download } of [bad, lost]) {
      const response = await fetch(`${stack.url}/downloads/${download['id']}/content`, {
        headers: { authorization: `Bearer ${ADMIN}` },
      })
      expect(response.status).toBe(410)
    }
    await stack.post(`/downloads/${failed.id}/retry`)
    expect((await failed.begin()).body).toMatchObject({ received: [{ start: 2 * MiB, end: 3 * MiB }] })
    expect((await failed.put(0, MiB)).status).toBe(204)
    expect((await failed.put(MiB, 2 * MiB)).status).toBe(204)
    expect((await failed.complete()).body).toMatchObject({ status: 'completed' })
  })

  test('without a place to move to, or from, it says so', async () => {
    const { code, text } = await runMove(stack, {})
    expect([code, text]).toEqual([2, expect.stringContaining('TO_DATABASE_URL must read postgres://')])
    await mkdir(join(stack.folder, 'elsewhere'))
    const nowhere = start('server/main.ts', ['move'], { ...home.to, DATABASE_URL: 'sqlite:/nonexistent/backhaul.db' })
    expect([await nowhere.exited, nowhere.output()]).toEqual([1, expect.stringContaining('There is no /nonexistent')])
  })
})
