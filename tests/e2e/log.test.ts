import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect } from '@jest/globals'
import { temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

describe('the log', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  const children: ChildProcess[] = []

  beforeEach(async () => {
    place = await temporaryFolder()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) {
      const ended = once(child, 'exit')
      if (child.kill('SIGKILL')) await ended
    }
    await place.remove()
  })

  /** A process whose every line meets a full disk. */
  const start = async (file: string, args: string[], env: Record<string, string> = {}): Promise<ChildProcess> => {
    const full = await open('/dev/full', 'w')
    const child = spawn(process.execPath, [file, ...args], {
      cwd: projectFolder,
      env: { PATH: process.env['PATH'], HOME: place.folder, LOG_LEVEL: 'debug', ...env },
      stdio: ['ignore', full.fd, full.fd],
    })
    children.push(child)
    await full.close()
    return child
  }

  testWith({ path: '/dev/full' }, 'on a full disk ends neither the server nor the agent', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const server = await start('server/main.ts', [], {
      PORT: String(port),
      DATABASE_URL: `sqlite:${join(place.folder, 'backhaul.db')}`,
      STORAGE_URL: `file:${join(place.folder, 'downloads')}`,
    })
    const get = async (path: string): Promise<Json | undefined> => {
      const response = await fetch(url + path).catch(() => undefined)
      return response && ((await response.json()) as Json)
    }
    await until('the server', () => get('/health'))
    const file = join(place.folder, 'file')
    const sha256 = await writeRandom(file, 3_000_000)
    const state = join(place.folder, 'state')
    const args = ['--id', 'till', '--server', url, '--file', file, '--state-dir', state, '--port', 'off']
    const agent = await start('agent/main.ts', args)
    await until('the agent', async () => (await get('/clients/till'))?.['status'] === 'online')
    const asked = await fetch(`${url}/downloads`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"clientId":"till"}',
    })
    const { id } = (await asked.json()) as { id: string }
    const done = await until('the download', async () => {
      const download = await get(`/downloads/${id}`)
      return download?.['status'] === 'completed' && download
    })
    expect(done).toMatchObject({ verified: true, sha256 })
    expect([server.exitCode, agent.exitCode]).toEqual([null, null])
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
