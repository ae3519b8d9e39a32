import { readFile, statfs, truncate, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024

// Stops and faults at the worst moment: nothing good is thrown away, nothing foreign is touched.
describe('recovery', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const change = (sql: string, ...values: (string | number)[]): void => {
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'))
    db.prepare(sql).run(...values)
    db.close()
  }

  test('a server stopped in the middle of a verification finishes it at the next start', async () => {
    // The one takes longer to be read than anything here; the other is soon read.
    const [long, short] = [64 * 1024 * MiB, 64 * MiB]
    const sha256 = sha256Of(Buffer.alloc(short))
    const agent = await rawAgent(stack, 'verified_late')
    const { id } = await stack.ask({ clientId: 'verified_late' })
    await agent.begin(id, short)
    // Its part is sparse, so the bytes are there; only their row and the state are written here.
    const received = async (size: number): Promise<void> => {
      await truncate(join(stack.downloads, '.incoming', `${id}.1.part`), size)
      change(`INSERT OR REPLACE INTO chunks VALUES (?, 1, 0, ?, ?, '')`, id, size, sha256)
      change(
        `UPDATE downloads SET status = 'verifying', sha256 = ?, name = 'late', size = ?, bytes_received = ? WHERE id = ?`,
        sha256,
        size,
        size,
        id,
      )
    }
    await stack.server.kill('SIGKILL')
    await received(long)
    await stack.restart()
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'verifying' })
    await stack.server.kill('SIGTERM')
    await received(short)
    await stack.restart()
    const done = await stack.reached(id, 'completed', 'queued', 'failed')
    expect(done).toMatchObject({
      status: 'completed',
      verified: true,
      attempt: 1,
      filePath: join(stack.downloads, 'late'),
    })
  })

  test('cancelling removes no file that is not ours, though it bears the claimed name', async () => {
    const content = Buffer.from('ours')
    const job = await beginByHand(stack, content, { path: 'x' })
    const foreign = join(stack.downloads, `${job.clientId}_x`)
    await writeFile(foreign, 'theirs')
    await job.put(0, 4)
    // The name is claimed, and the attempt is given up.
    await job.complete(job.id, 1, 4, sha256Of(Buffer.from('other')))
    expect((await fetch(`${stack.url}/downloads/${job.id}`, { method: 'DELETE' })).status).toBe(200)
    expect(await readFile(foreign, 'utf8')).toBe('theirs')
  })

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'a whole upload cut off by %s leaves a job that can begin anew',
    async (signal) => {
      const clientId = `cut_by_${signal}`
      await fetch(`${stack.url}/jobs?client=${clientId}`)
      const { id } = await stack.ask({ clientId })
      const headers = { 'content-length': 9_000_000 }
      const upload = request(`${stack.url}/jobs/${id}/file`, { method: 'PUT', headers }).on('error', () => undefined)
      upload.write(Buffer.alloc(5_000_000))
      await until('the first chunk', async () => (await stack.get(`/downloads/${id}`))['bytesReceived'] > 0)
      await stack.restart(signal)
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'queued', bytesReceived: 0 })
      const agent = await rawAgent(stack, clientId)
      expect(await agent.begin(id, 10)).toMatchObject({ status: 200, body: { attempt: 2, received: [] } })
    },
  )

  test('a new attempt has the room that its old one held', async () => {
    const { bavail, bsize } = await statfs(stack.downloads)
    const size = Math.floor(bavail * bsize * 0.6)
    const agent = await rawAgent(stack, 'large')
    const { id } = await stack.ask({ clientId: 'large', policy: 'restart' })
    expect((await agent.begin(id, size, 'v1')).status).toBe(200)
    expect(await agent.begin(id, size, 'v2')).toMatchObject({ status: 200, body: { attempt: 2 } })
    const second = await stack.ask({ clientId: 'large' })
    expect(await agent.begin(second['id'], size)).toMatchObject({ status: 507, body: { code: 'no-room' } })
    expect(await stack.get(`/downloads/${second['id']}`)).toMatchObject({ status: 'queued', reason: 'no-room' })
    await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
  })

  test('a new version for which there is no room: the job waits, and says why', async () => {
    const job = await beginByHand(stack, Buffer.alloc(1000), { policy: 'restart' })
    expect(await job.begin(job.id, 2 ** 50, 'v2')).toMatchObject({ status: 507, body: { code: 'no-room' } })
    expect(await stack.get(`/downloads/${job.id}`)).toMatchObject({ status: 'queued', reason: 'no-room' })
    expect(await job.begin(job.id, 1000)).toMatchObject({ status: 200, body: { attempt: 1 } })
  })
})
