import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256OfFile, temporaryFolder } from '../helpers/folder.ts'
import { projectFolder, startNpm, type Running } from '../helpers/process.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)
const HUNDRED_MB = 104_857_600

// Every command of the systems before this one, typed as its users typed it; only the port is another.
describe('the commands of older systems', () => {
  let home: string
  let remove: () => Promise<void>
  let server: Running
  let url: string
  let sha256: string
  const agents: Running[] = []

  const curl = async (...args: string[]): Promise<Json> =>
    JSON.parse((await run('curl', ['-sS', ...args])).stdout) as Json
  const post = (path: string, body?: unknown): Promise<Json> =>
    curl(
      '-X',
      'POST',
      url + path,
      ...(body === undefined ? [] : ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)]),
    )
  const cli = async (...args: string[]): Promise<string> =>
    (await run('npm', ['run', '--silent', 'cli', '--', ...args], { cwd: projectFolder, env: environment() })).stdout
  const environment = (): Record<string, string> => ({
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    SERVER_URL: url.replace('http', 'ws'),
    STATE_DIR: '',
  })

  const agent = async (id: string, env: Record<string, string>, ...args: string[]): Promise<Running> => {
    const started = startNpm(['run', 'agent', ...(args.length > 0 ? ['--', ...args] : [])], {
      ...environment(),
      ...env,
    })
    agents.push(started)
    await until(`${id} to be listed`, async () =>
      (await curl(`${url}/clients`))['clients'].some((client: Json) => client['id'] === id),
    )
    return started
  }

  const completed = (id: string): Promise<Json> =>
    until(`${id} to be completed`, async () => {
      const download = await curl(`${url}/download/${id}`)
      if (['failed', 'cancelled', 'expired'].includes(download['status'])) throw new Error(JSON.stringify(download))
      return download['status'] === 'completed' && download
    })

  beforeAll(async () => {
    const { folder, remove: removeFolder } = await temporaryFolder()
    home = folder
    remove = removeFolder
    await run('./generate-test-file.sh', { cwd: projectFolder, env: { PATH: process.env['PATH'] ?? '', HOME: home } })
    sha256 = await sha256OfFile(join(home, 'file_to_download.txt'))
    server = startNpm(['start'], {
      HOME: home,
      PORT: '0',
      DATABASE_URL: `sqlite:${home}/db`,
      STORAGE_URL: `file:${home}/downloads`,
      DOWNLOAD_TIMEOUT: '8',
    })
    url = `http://127.0.0.1:${String((await server.line((line) => line['msg'] === 'listening'))['port'])}`
    await agent('restaurant_1', { CLIENT_ID: 'restaurant_1', CLIENT_PORT: '0' })
  })
  afterAll(async () => {
    await Promise.all([server, ...agents].map((running) => running.kill('SIGTERM')))
    await remove()
  })

  test('A: the test file has 100 MB', async () => {
    expect((await stat(join(home, 'file_to_download.txt'))).size).toBe(HUNDRED_MB)
  })

  test('A: health, clients, and a download by POST /download', async () => {
    expect(await curl(`${url}/health`)).toEqual({ status: 'ok', timestamp: expect.any(String) })
    expect(await curl(`${url}/clients`)).toMatchObject({
      count: 1,
      clients: [{ id: 'restaurant_1', connectedAt: expect.any(String), lastHeartbeat: expect.any(String) }],
    })
    const asked = await post('/download', { clientId: 'restaurant_1', fileName: 'file_to_download.txt' })
    expect(asked).toMatchObject({
      message: 'Download request initiated',
      requestId: expect.any(String),
      clientId: 'restaurant_1',
      fileName: 'file_to_download.txt',
    })
    const done = await completed(asked['requestId'])
    expect(done).toMatchObject({
      requestId: asked['requestId'],
      clientId: 'restaurant_1',
      fileName: 'file_to_download.txt',
      status: 'completed',
      bytesReceived: HUNDRED_MB,
      filePath: join(home, 'downloads', 'restaurant_1_file_to_download.txt'),
      startedAt: expect.any(String),
      completedAt: expect.any(String),
    })
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    const list = await curl(`${url}/downloads`)
    expect(list).toMatchObject({ count: 1, downloads: [{ requestId: asked['requestId'] }] })
  })

  test('A: a client that is not connected is 404 with those that are; a missing file is an error of the client', async () => {
    expect(await post('/download', { clientId: 'nobody', fileName: 'x' })).toMatchObject({
      status: 404,
      availableClients: ['restaurant_1'],
    })
    const { requestId } = await post('/download', { clientId: 'restaurant_1', fileName: 'missing.txt' })
    await until('the failure', async () => (await curl(`${url}/download/${requestId}`))['status'] === 'failed')
    expect(await curl(`${url}/download/${requestId}`)).toMatchObject({
      reason: expect.stringMatching(/not-found|not-allowed/),
    })
  })

  test('A: the CLI', async () => {
    expect(await cli('list-clients')).toContain('restaurant_1')
    const asked = JSON.parse(await cli('download', '--client', 'restaurant_1', '--json')) as Json
    await completed(asked['id'])
    expect(await cli('status', asked['id'])).toContain(sha256)
    expect(await cli('list-downloads')).toContain(asked['id'])
  })

  test('B: a download without a body, a second client, and the status of an agent on its own machine', async () => {
    const { requestId } = await post('/download/restaurant_1')
    await completed(requestId)
    const second = await agent('client-2', { CLIENT_PORT: '0', CLIENT_ID: 'client-2' })
    const { port } = await second.line((line) => typeof line['port'] === 'number')
    expect(await curl(`http://localhost:${String(port)}/status`)).toMatchObject({ clientId: 'client-2' })
  })

  test('C: its paths, in both spellings', async () => {
    const asked = await post('/api/download', { client_id: 'restaurant_1', file_name: 'file_to_download.txt' })
    await completed(asked['requestId'])
    expect(await curl(`${url}/api/downloads/${asked['requestId']}`)).toMatchObject({
      status: 'completed',
      progress: 100,
      checksum: sha256,
      file_name: 'file_to_download.txt',
    })
    await completed(
      (await post('/api/download', { clientId: 'restaurant_1', fileName: 'file_to_download.txt' }))['requestId'],
    )
  })

  test('D: the ids of clients, the file itself in one curl, and its errors', async () => {
    expect(await curl(`${url}/api/clients`)).toMatchObject({
      count: expect.any(Number),
      clients: expect.arrayContaining(['restaurant_1']),
    })
    const menu = join(home, 'menu.txt')
    await run('curl', ['-sS', `${url}/api/download/restaurant_1`, '-o', menu])
    expect(await sha256OfFile(menu)).toBe(sha256)
    expect(await curl(`${url}/api/download/nobody`)).toMatchObject({ status: 404 })
    // A client that polls and never sends: known, there, and silent.
    await fetch(`${url}/jobs?client=silent&seen=0`, { headers: { prefer: 'wait=5' } })
    expect(await curl(`${url}/api/download/silent`)).toMatchObject({ status: 408, code: 'client-timeout' })
  })

  test('D: the CLI saves the default file under a name of its own', async () => {
    const output = join(home, 'menu2.txt')
    expect(await cli('list')).toContain('restaurant_1')
    await cli('download', 'restaurant_1', output)
    expect(await sha256OfFile(output)).toBe(sha256)
  })

  test('E: --id and --file, the file under a timestamp, and the SHA-256 at both ends', async () => {
    const e = await agent(
      'client1',
      { CLIENT_PORT: '0' },
      '--id=client1',
      `--file=${join(home, 'file_to_download.txt')}`,
    )
    const { requestId } = await post('/download/client1')
    const done = await completed(requestId)
    expect(basename(done['filePath'])).toMatch(/^client1_\d{8}T\d{9}Z_file_to_download\.txt$/)
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    await e.line((line) => line['sha256'] === sha256)
    await server.line((line) => line['sha256'] === sha256 && line['id'] === requestId)
    expect((await readFile(done['filePath'])).byteLength).toBe(HUNDRED_MB)
  })
})
