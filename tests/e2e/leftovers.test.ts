import { randomBytes } from 'node:crypto'
import { access, link, readdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const SIZE = 300_000

// What a crash between two steps leaves, made by hand, and what the next start makes of it.
describe('leftovers', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const change = (sql: string, ...values: (string | number)[]): number => {
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'))
    const { changes } = db.prepare(sql).run(...values)
    db.close()
    return Number(changes)
  }
  const count = (sql: string, ...values: (string | number)[]): number => {
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'), { readOnly: true })
    const row = db.prepare(sql).get(...values)
    db.close()
    return Number(row?.['count'])
  }
  const chunkRows = (id: string): number => count('SELECT count(*) AS count FROM chunks WHERE download_id = ?', id)
  const partPath = (id: string, attempt = 1): string => join(stack.downloads, '.incoming', `${id}.${attempt}.part`)
  const parts = async (id: string): Promise<string[]> =>
    (await readdir(join(stack.downloads, '.incoming'))).filter((name) => name.startsWith(id))
  const exists = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    )

  /** A download of which everything has arrived, and the server killed. */
  const arrived = async () => {
    const content = randomBytes(SIZE)
    const job = await beginByHand(stack, content, { path: 'left.bin' })
    await job.put(0, SIZE)
    return { ...job, sha256: sha256Of(content) }
  }

  test('a part made before its row: removed, and the next begin makes it anew', async () => {
    const { id, headers } = await beginByHand(stack, randomBytes(SIZE), { policy: 'restart' })
    await stack.server.kill('SIGKILL')
    await writeFile(partPath(id, 2), '')
    await stack.restart()
    expect(await parts(id)).toEqual([`${id}.1.part`])
    const begun = await stack.post(`/jobs/${id}/begin`, { source: 'v2', size: 10 }, headers)
    expect(begun).toMatchObject({ status: 200, body: { attempt: 2 } })
  })

  test('an attempt given up, its rows and its part still there: both are removed', async () => {
    const { id } = await arrived()
    await stack.server.kill('SIGKILL')
    change(`UPDATE downloads SET status = 'queued', source = NULL, bytes_received = 0 WHERE id = ?`, id)
    expect(chunkRows(id)).toBe(1)
    await stack.restart()
    expect([chunkRows(id), await parts(id)]).toEqual([0, []])
  })

  test('rows forgotten, the part still there: it is removed', async () => {
    const { id } = await arrived()
    await stack.server.kill('SIGKILL')
    change(`UPDATE downloads SET status = 'cancelled', source = NULL WHERE id = ?`, id)
    change('DELETE FROM chunks WHERE download_id = ?', id)
    await stack.restart()
    expect(await parts(id)).toEqual([])
  })

  test('the name given, the row not written: completed under that name', async () => {
    const { id, sha256 } = await arrived()
    await stack.server.kill('SIGKILL')
    const name = `linked_${id}`
    change(`UPDATE downloads SET status = 'verifying', sha256 = ?, name = ? WHERE id = ?`, sha256, name, id)
    await link(partPath(id), join(stack.downloads, name))
    await stack.restart()
    expect(await stack.reached(id, 'completed')).toMatchObject({
      verified: true,
      sha256,
      filePath: join(stack.downloads, name),
    })
    await until('the part to be removed', async () => (await parts(id)).length === 0)
  })

  test('completed, the part still there: it is removed, the file stays', async () => {
    const { id, complete, sha256 } = await arrived()
    const { body } = await complete(id, 1, SIZE, sha256)
    await stack.server.kill('SIGKILL')
    // The kill can have come before it was removed.
    if ((await parts(id)).length === 0) await link(body['filePath'], partPath(id))
    await stack.restart()
    expect(await parts(id)).toEqual([])
    expect(await exists(body['filePath'])).toBe(true)
  })

  test('content removed by its row only: the file goes, too, and so do the rows of its chunks', async () => {
    const { id, complete, sha256 } = await arrived()
    const { body } = await complete(id, 1, SIZE, sha256)
    await stack.server.kill('SIGKILL')
    change('UPDATE downloads SET removed_at = ? WHERE id = ?', Date.now(), id)
    await stack.restart()
    await until('the file to be removed', async () => !(await exists(body['filePath'])))
    await until('the rows to be forgotten', async () => chunkRows(id) === 0)
    expect((await fetch(`${stack.url}/downloads/${id}/content`)).status).toBe(410)
    // Once more is fine.
    expect((await fetch(`${stack.url}/downloads/${id}/content`, { method: 'DELETE' })).status).toBe(200)
  })

  test('a part that somebody removed before it is verified: a new attempt, and no answer tells where it lay', async () => {
    const { id, complete, sha256 } = await arrived()
    await unlink(partPath(id))
    const { status, body } = await complete(id, 1, SIZE, sha256)
    expect([status, body['code']]).toEqual([409, 'attempt-superseded'])
    const download = await stack.get(`/downloads/${id}`)
    expect(download).toMatchObject({ status: 'queued', reason: 'damaged' })
    expect(JSON.stringify([body, download])).not.toContain(stack.downloads)
  })

  test('a kept part that somebody removed: a retry begins anew', async () => {
    const { id, fail, put, headers } = await arrived()
    await fail(id, 'io-error', 1)
    await unlink(partPath(id))
    await stack.post(`/downloads/${id}/retry`)
    await stack.post(`/jobs/${id}/begin`, { source: 'v1', size: SIZE * 2 }, headers)
    const { status } = await put(0, SIZE, { attempt: 2, total: SIZE * 2 })
    expect(status).toBe(204)
  })

  test('expired jobs, parts past their day and old idempotency keys are swept at the start', async () => {
    const late = await stack.ask({ clientId: (await arrived()).clientId })
    const old = await arrived()
    await old.fail(old.id, 'io-error', 1)
    await stack.post('/downloads', { clientId: old.clientId }, { 'idempotency-key': 'k' })
    await stack.server.kill('SIGKILL')
    const week = 7 * 24 * 3600_000
    change('UPDATE downloads SET expires_at = 1 WHERE id = ?', late['id'])
    change('UPDATE downloads SET completed_at = completed_at - ? WHERE id = ?', week, old.id)
    change('UPDATE idempotency SET created_at = created_at - ?', week + 1000)
    await stack.restart()
    expect(await parts(old.id)).toEqual([])
    // Its bytes were sent in vain.
    expect(await stack.get(`/downloads/${old.id}`)).toMatchObject({ bytesReceived: 0, bytesResent: SIZE })
    await until('expiry', async () => (await stack.get(`/downloads/${late['id']}`))['status'] === 'expired')
    await until('no key', async () => count('SELECT count(*) AS count FROM idempotency') === 0)
  })
})
