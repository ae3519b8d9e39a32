import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256Of } from '../helpers/folder.ts'
import { start, type Running } from '../helpers/process.ts'
import { sharedStores, type SharedStores } from '../helpers/shared-stores.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

describe('direct uploads and several servers with tokens', () => {
  let stack: Stack
  let stores: SharedStores
  let other: Running
  let otherUrl: string
  const content = randomBytes(3 * 1024 * 1024)

  beforeAll(async () => {
    stores = await sharedStores()
    const own = { DIRECT_UPLOADS: 'on', AUTH: 'on', ADMIN_TOKEN: ADMIN, LOG_LEVEL: 'debug' }
    stack = await startStack(own, { stores })
    other = start('server/main.ts', [], { ...stores.env, ...own, HOST: '127.0.0.1', PORT: '0' })
    otherUrl = `http://127.0.0.1:${String((await other.line(({ msg }) => msg === 'listening'))['port'])}`
  }, 120_000)
  afterAll(async () => {
    await other.kill('SIGTERM')
    const outputs = [stack.server.output(), other.output()]
    await stack.stop()
    for (const output of outputs) expect(output).not.toMatch(/X-Amz-|Signature/)
    await stores.remove()
  }, 60_000)

  const call = async (url: string, path: string, init: RequestInit & { token?: string } = {}) =>
    fetch(url + path, { redirect: 'manual', ...init, headers: { ...bearer(init.token ?? ADMIN) } })

  const completed = async (): Promise<string> => {
    const file = join(stack.folder, 'file.bin')
    await writeFile(file, content)
    const agent = await stack.online('site', ['--file', file])
    const { id } = await stack.ask({ clientId: 'site' })
    expect(await stack.ended(id, 60_000)).toMatchObject({ status: 'completed', verified: true })
    expect(agent.output()).not.toContain('by way of the server')
    await agent.kill('SIGTERM')
    return String(id)
  }

  const token = async (more: Json): Promise<string> => {
    const { body } = await stack.post('/tokens', { name: 'somebody', role: 'reader', ...more })
    return String(body['secret'])
  }

  test('whoever may not fetch the content is not sent to the store either; who may is, and that is written down', async () => {
    const path = `/downloads/${await completed()}/content?redirect=true`
    for (const [secret, status] of [
      ['bho_no', 401],
      [await token({ content: false }), 403],
      [await token({ clients: ['another'], content: true }), 404],
    ] as const) {
      const answer = await call(stack.url, path, { token: secret })
      expect([answer.status, answer.headers.get('location')]).toEqual([status, null])
    }
    // Any server sends to the same file.
    for (const url of [stack.url, otherUrl]) {
      const answer = await call(url, path, { token: await token({ content: true }) })
      expect(answer.status).toBe(307)
      // Who has the URL needs no token, and the store gets none.
      const fetched = await fetch(answer.headers.get('location') ?? '')
      expect(sha256Of(Buffer.from(await fetched.arrayBuffer()))).toBe(sha256Of(content))
    }
    const { entries } = await stack.get('/audit')
    const noted = (entries as Json[]).filter(({ action }) => action === 'GET /downloads/{id}/content')
    expect(noted.map(({ status }) => Number(status)).toSorted((a, b) => a - b)).toEqual([307, 307, 401, 403, 404])
  }, 120_000)
})
