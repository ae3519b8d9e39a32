import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json as jsonOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

// What a name or an answer may never bring about.
describe('rights', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const ids = [
    '../clients/server',
    '..',
    '../../etc',
    'a/b',
    'a\\b',
    '.hidden',
    '-rf',
    'a\0b',
    'x'.repeat(65),
    '%2e%2e',
  ]

  test.each(ids)('a client id "%s" gave rights: it is refused wherever an id is taken', async (clientId) => {
    const agent = { version: '1', platform: 'x', hostname: 'x' }
    const session = { protocol: 1, clientId, instance: 'i'.repeat(16), takeover: true, agent, shared: [] }
    const field = 'clientId'
    expect(await stack.post('/sessions', session)).toMatchObject({ status: 400, body: { code: 'invalid', field } })
    expect(await stack.post('/downloads', { clientId })).toMatchObject({
      status: 400,
      body: { code: 'invalid', field },
    })
    for (const path of ['/jobs?client=ID', '/clients/ID', '/clients/ID/files/x']) {
      const { hostname, port } = new URL(stack.url)
      // As it is: fetch would take dots out, and ask for the page at `/`.
      const asked = get({ hostname, port, path: path.replace('ID', encodeURIComponent(clientId)) })
      const [response] = (await once(asked, 'response')) as [IncomingMessage]
      expect([400, 404]).toContain(response.statusCode)
      expect(['invalid', 'route-unknown']).toContain(((await jsonOf(response)) as Json)['code'])
    }
    expect((await stack.get('/clients?status=all'))['count']).toBe(0)
    expect(await readdir(stack.downloads)).toEqual(['.incoming'])
  })

  /** A server that wants more than it may have. It says whatever an agent could be foolish enough to believe. */
  const greedyServer = async (jobs: Json[]) => {
    const seen: { method: string; path: string; body: Json | undefined }[] = []
    const failed = (id: string): boolean => seen.some(({ path }) => path === `/jobs/${id}/fail`)
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const text = Buffer.concat(await request.toArray()).toString()
      const json = request.headers['content-type'] === 'application/json'
      const path = request.url ?? ''
      seen.push({ method: request.method ?? '', path, body: json && text !== '' ? JSON.parse(text) : undefined })
      const chunk = { min: 1, max: 1e6, preferred: 1e6 }
      const wider = { shared: ['/'], root: ['/'], roots: ['/'], config: { root: '/', file: '/etc/passwd' } }
      const answers: Json = path.startsWith('/sessions')
        ? { protocol: 1, session: '1.a', wait: 1, chunk, parallel: 4, spread: 0, ...wider }
        : path.startsWith('/jobs?')
          ? { rev: seen.length, jobs: jobs.filter(({ id }) => !failed(String(id))), ...wider }
          : { id: 'a', attempt: 1, size: 10, received: [], chunk, parallel: 4, status: 'failed', ...wider }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answers))
    }
    const server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { seen, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  test("a low role rewrote the agent's configuration: nothing that a server answers widens what a site shares", async () => {
    const root = join(stack.folder, 'shared')
    await mkdir(root)
    await writeFile(join(stack.folder, 'secret'), 'secret')
    const job = {
      protocol: 1,
      policy: 'fail',
      priority: 0,
      status: 'queued',
      attempt: 0,
      roots: ['/'],
      root: '/',
    }
    const paths = [
      '/etc/passwd',
      join(stack.folder, 'secret'),
      '../secret',
      'shared/../../secret',
      '/proc/self/environ',
    ]
    const jobs: Json[] = [
      ...paths.map((path, index) => ({ ...job, id: `job-${index}`, kind: 'file', path })),
      { ...job, id: 'job-x', kind: 'command', path: 'id' },
      { ...job, id: 'job-y', kind: 'config', path: '/', file: '/etc/passwd' },
    ]
    const { seen, server, url } = await greedyServer(jobs)
    const agent = stack.agent('modest', ['--root', root, '--server', url])
    const failures = () => seen.filter(({ path }) => path.endsWith('/fail'))
    await until('every job to be refused', async () => {
      if (agent.child.exitCode !== null) throw new Error(agent.output())
      return new Set(failures().map(({ path }) => path)).size === jobs.length
    })
    const codes = new Map(failures().map(({ path, body }) => [path.split('/')[2], body?.['code']]))
    for (const [index] of paths.entries()) expect([index, codes.get(`job-${index}`)]).toEqual([index, 'not-allowed'])
    expect([codes.get('job-x'), codes.get('job-y')]).toEqual(['unsupported', 'unsupported'])
    expect(seen.filter(({ method, path }) => method === 'PUT' || path.endsWith('/begin'))).toEqual([])
    // It says of itself what its own command line said, before and after.
    const begun = seen.find(({ path }) => path === '/sessions')?.body
    expect(begun?.['shared']).toContain(root)
    expect(begun?.['shared']).not.toContain('/')
    await agent.kill('SIGKILL')
    server.closeAllConnections()
    server.close()
  })
})
