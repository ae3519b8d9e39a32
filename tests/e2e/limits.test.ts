import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { envOf } from '../helpers/backups.ts'
import { limitOpenFiles } from '../helpers/disk.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { start } from '../helpers/process.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024

// Descriptors that run out, and a database that somebody else holds: 503 for a while, and nothing is lost.
describe('limits of the machine', () => {
  let stack: Stack
  let proxy: Proxy

  beforeAll(async () => {
    stack = await startStack()
    proxy = await startProxy(stack.url)
  })
  afterAll(async () => {
    await proxy.close()
    await stack.stop()
  })

  /** A download of 12 MiB, of which the line lets the first 4 through. */
  const inMidTransfer = async (clientId: string) => {
    const file = join(stack.folder, clientId)
    const sha256 = await writeRandom(file, 12 * MiB)
    const args = ['--file', file, '--server', proxy.url, '--chunk-size', '256KiB']
    proxy.allow(Infinity)
    const agent = await stack.online(clientId, args)
    proxy.allow(4 * MiB)
    const { id } = await stack.ask({ clientId })
    await proxy.held()
    return { id: String(id), sha256, agent }
  }

  const completed = async ({ id, sha256 }: { id: string; sha256: string }): Promise<void> => {
    const download = await stack.reached(id, 'completed')
    expect(download).toMatchObject({ attempt: 1, verified: true, sha256 })
    expect(await sha256OfFile(download['filePath'])).toBe(sha256)
  }

  testWith({ programs: ['prlimit'] }, 'a server with too many open files says so, and goes on', async () => {
    const download = await inMidTransfer('crowded')
    const lift = await limitOpenFiles(stack.server.pid)
    const crowd = startCrowd(Number(new URL(stack.url).port))
    proxy.allow(Infinity)
    // What is open already goes on; this one needs a file of its own.
    const { id } = await stack.ask({ clientId: 'crowded' })
    try {
      await until('the agent to hear why', async () => download.agent.output().includes('too many open files'))
      // Who is connected is served all the same.
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ id })
    } finally {
      crowd.leave()
      await lift()
    }
    await completed(download)
    await completed({ ...download, id })
    expect(stack.server.output()).not.toContain('request failed')
  })

  testWith({ programs: ['prlimit'] }, 'an agent with too many open files lets the job rest', async () => {
    const file = join(stack.folder, 'exhausted')
    const sha256 = await writeRandom(file, MiB)
    const agent = await stack.online('exhausted', ['--file', file])
    const lift = await limitOpenFiles(agent.pid)
    const { id } = await stack.ask({ clientId: 'exhausted' })
    await until('the agent to say so', async () => agent.output().includes('cannot be read now: EMFILE'))
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'queued' })
    await lift()
    await completed({ id, sha256 })
  })

  for (const kind of ['IMMEDIATE', 'EXCLUSIVE']) {
    const name = `a database that another program holds (${kind}): 503, the server answers meanwhile, and nothing is lost`
    testWith({ long: true }, name, async () => {
      const download = await inMidTransfer(`locked_${kind}`)
      const other = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'), { timeout: 10_000 })
      other.exec(`BEGIN ${kind}`)
      try {
        proxy.allow(Infinity)
        await until('the agent to hear of it', async () => download.agent.output().includes('database is locked'))
        const slowest = await slowestHealth(stack.url, 3000)
        expect(slowest).toBeLessThan(1000)
        expect(await stack.get(`/downloads/${download.id}`)).toMatchObject({ status: 'transferring', attempt: 1 })
        const refused = await stack.post('/downloads', { clientId: `locked_${kind}` })
        expect(refused).toMatchObject({ status: 503, body: { code: 'store-busy' } })
        expect(refused.headers.get('retry-after')).toBe('2')
      } finally {
        other.exec('ROLLBACK')
        other.close()
      }
      await completed(download)
      expect(stack.server.child.exitCode).toBeNull()
    })
  }

  testWith({ long: true }, 'a start while another program holds the database waits for it', async () => {
    const download = await inMidTransfer('restarted')
    await stack.server.kill('SIGKILL')
    const other = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'), { timeout: 10_000 })
    // An attempt whose part is gone must be given up by the start, in the database.
    other.prepare(`UPDATE downloads SET whole = 1 WHERE id = ?`).run(download.id)
    other.exec('BEGIN IMMEDIATE')
    const starting = start('server/main.ts', [], {
      PORT: '0',
      ...envOf({ database: join(stack.folder, 'data', 'backhaul.db'), storage: stack.downloads }),
    })
    await starting.line(({ msg }) => String(msg).startsWith('cannot repair what the last stop left'))
    other.exec('ROLLBACK')
    other.close()
    await starting.line(({ msg }) => msg === 'listening')
    await starting.kill('SIGTERM')
    await stack.restart()
    proxy.allow(Infinity)
    expect(await stack.reached(download.id, 'completed')).toMatchObject({ attempt: 2, sha256: download.sha256 })
  })
})

/** Connections that take every descriptor that becomes free, and do nothing. */
function startCrowd(port: number): { leave(): void } {
  const sockets = new Set<Socket>()
  let here = true
  const enter = (): void => {
    if (!here) return
    const socket = connect(port, '127.0.0.1')
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      setTimeout(enter, 10)
    })
  }
  for (let count = 0; count < 40; count += 1) enter()
  return {
    leave() {
      here = false
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** The longest that GET /health took within `ms`. */
async function slowestHealth(url: string, ms: number): Promise<number> {
  let slowest = 0
  for (const end = performance.now() + ms; performance.now() < end;) {
    const from = performance.now()
    expect((await fetch(`${url}/health`)).status).toBe(200)
    slowest = Math.max(slowest, performance.now() - from)
  }
  return slowest
}
