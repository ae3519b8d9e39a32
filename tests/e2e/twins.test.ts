import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import type { Running } from '../helpers/process.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'
import { testWith } from '../helpers/needs.ts'

const MiB = 1024 * 1024

// Two agents of one site, and agents that stop and come back: real processes, on a line that can be held and cut.
describe('agents that are stopped, doubled and killed', () => {
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

  const bytesOf = async (id: string): Promise<number> => (await stack.get(`/downloads/${id}`))['bytesReceived']

  /** An agent behind the proxy, held in mid-upload. */
  const held = async (id: string, allowed = 8 * MiB) => {
    const file = join(stack.folder, `${id}.bin`)
    const sha256 = await writeRandom(file, 24 * MiB)
    const args = ['--file', file, '--chunk-size', '1MiB']
    const agent = await stack.online(id, [...args, '--server', proxy.url])
    proxy.allow(allowed)
    const { id: download } = await stack.ask({ clientId: id })
    await proxy.held()
    await until('some bytes to be durable', async () => (await bytesOf(download)) > 0)
    return { id, file, sha256, agent, args, download: String(download) }
  }
  const logs = (agent: Running, pattern: RegExp) => agent.line((line) => pattern.test(String(line['msg'])))

  test('a stopped agent that goes on after another has finished its job touches nothing, and says so', async () => {
    const { id, sha256, agent, args, download } = await held('stopped_twin')
    process.kill(agent.pid, 'SIGSTOP')
    await stack.online(id, [...args, '--state-dir', join(stack.folder, 'state', 'other')])
    const done = await stack.reached(download, 'completed')
    expect(done).toMatchObject({ sha256, verified: true, attempt: 1 })
    const resent = done['bytesResent']
    proxy.allow(Infinity)
    process.kill(agent.pid, 'SIGCONT')
    await logs(agent, /another agent runs under this id and has taken over/)
    // It asks without takeover, is refused, and comes again in about a minute.
    await logs(agent, /^no session: session-held: .* Asking again in about a minute/)
    expect(await stack.get(`/downloads/${download}`)).toMatchObject({
      status: 'completed',
      bytesResent: resent,
      sha256,
    })
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    expect(await stack.get(`/clients/${id}`)).toMatchObject({ status: 'online', conflicts: { count: 1 } })
    expect(agent.child.exitCode).toBeNull()
  })

  test('"already has an active session" for days; 423 Locked: what a dead line left open locks nobody out', async () => {
    const { id, sha256, agent, args, download } = await held('dead_line')
    // The server never hears that the agent is gone: its poll and its half chunks stay open.
    proxy.silence()
    await agent.kill('SIGKILL')
    const begunAt = performance.now()
    stack.agent(id, args)
    expect(await stack.reached(download, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
    expect(performance.now() - begunAt).toBeLessThan(15_000)
    proxy.mend()
    proxy.cut()
    proxy.allow(Infinity)
  })

  test('the server claimed more than was sent, and bytes were skipped: verification finds it, and all is sent', async () => {
    const { id, sha256, agent, args, download } = await held('claimed')
    await agent.kill('SIGKILL')
    proxy.allow(Infinity)
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'), { timeout: 5000 })
    const sql = `INSERT INTO chunks VALUES (?, 1, ?, ?, ?, '')`
    db.prepare(sql).run(download, 23 * MiB, 24 * MiB, sha256)
    db.close()
    stack.agent(id, args)
    const done = await stack.reached(download, 'completed')
    expect(done).toMatchObject({ sha256, verified: true, attempt: 2 })
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
  })

  testWith(
    { long: true },
    'a poison job crashed the agent in a loop: it is set aside after five, and others go on',
    async () => {
      const file = join(stack.folder, 'poison.bin')
      const sha256 = await writeRandom(file, 2 * MiB)
      const args = ['--file', file, '--server', proxy.url]
      let agent = await stack.online('poisoned', args)
      // Enough for the calls and for no chunk: the agent ends each time without having got on.
      proxy.allow(16_000)
      const { id } = await stack.ask({ clientId: 'poisoned' })
      for (let starts = 1; starts <= 5; starts += 1) {
        await logs(agent, /^job started$/)
        await agent.kill('SIGKILL')
        proxy.cut()
        proxy.allow(16_000)
        agent = stack.agent('poisoned', args)
      }
      expect(await stack.reached(id, 'failed')).toMatchObject({ reason: 'io-error', bytesReceived: 0 })
      proxy.allow(Infinity)
      const next = await stack.ask({ clientId: 'poisoned' })
      expect(await stack.reached(next['id'], 'completed')).toMatchObject({ sha256 })
      expect(agent.child.exitCode).toBeNull()
    },
  )
})
