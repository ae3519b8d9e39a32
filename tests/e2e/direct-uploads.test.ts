import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256Of } from '../helpers/folder.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import type { Running } from '../helpers/process.ts'
import { sharedStores, type SharedStores } from '../helpers/shared-stores.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
describe('chunks straight to the store', () => {
  let stack: Stack
  let stores: SharedStores
  /** The ways from the site to the store, and to the server. */
  let toStore: Proxy
  let toServer: Proxy
  const agents: Running[] = []

  beforeAll(async () => {
    stores = await sharedStores()
    const { place } = stores
    toStore = await startProxy(place.endpoint)
    const own = { DIRECT_UPLOADS: 'on', S3_PUBLIC_ENDPOINT: toStore.url, LOG_LEVEL: 'debug' }
    stack = await startStack(own, { stores })
    toServer = await startProxy(stack.url)
  }, 120_000)
  afterEach(async () => {
    toStore.welcome()
    toStore.slow(Infinity)
    await Promise.all(agents.splice(0).map((agent) => agent.kill('SIGKILL')))
  })
  afterAll(async () => {
    const { output } = stack.server
    await stack.stop()
    expect(output()).not.toMatch(/X-Amz-|Signature/)
    await Promise.all([toStore.close(), toServer.close()])
    await stores.remove()
  }, 60_000)

  const startAgent = async (id: string, file: string): Promise<Running> => {
    const args = ['--server', toServer.url, '--file', file]
    const agent = await stack.online(id, args, { LOG_LEVEL: 'debug' })
    agents.push(agent)
    return agent
  }

  const write = async (name: string, size: number): Promise<{ file: string; sha256: string }> => {
    const bytes = randomBytes(size)
    const file = join(stack.folder, name)
    await writeFile(file, bytes)
    return { file, sha256: sha256Of(bytes) }
  }

  const completed = async (id: string, sha256: string): Promise<Json> => {
    const download = await stack.ended(id, 120_000)
    expect(download).toMatchObject({ status: 'completed', verified: true, sha256 })
    const fetched = await fetch(`${stack.url}/downloads/${id}/content`)
    expect(sha256Of(Buffer.from(await fetched.arrayBuffer()))).toBe(sha256)
    return download
  }

  const expectNoSecret = ({ output }: Running): void => expect(output()).not.toMatch(/X-Amz-|Signature/)

  test('a file: its bytes go to the store, and hardly any to the server', async () => {
    const { file, sha256 } = await write('whole.bin', 40 * MiB)
    const agent = await startAgent('whole', file)
    const before = { server: toServer.sent(), store: toStore.sent() }
    const { id } = await stack.ask({ clientId: 'whole' })
    const { bytesReceived, bytesResent } = await completed(id, sha256)
    expect({ bytesReceived, bytesResent }).toEqual({ bytesReceived: 40 * MiB, bytesResent: 0 })
    expect(toStore.sent() - before.store).toBeGreaterThan(40 * MiB)
    expect(toServer.sent() - before.server).toBeLessThan(MiB)
    expect(agent.output()).not.toContain('by way of the server')
    expectNoSecret(agent)
  }, 120_000)

  test('the agent and the server are killed: it goes on where it was', async () => {
    const { file, sha256 } = await write('killed.bin', 24 * MiB)
    toStore.slow(6 * MiB)
    const agent = await startAgent('killed', file)
    const { id } = await stack.ask({ clientId: 'killed' })
    const some = async (bytes: number): Promise<void> => {
      for (let etag = ''; ;) {
        const answer = await fetch(`${stack.url}/downloads/${id}`, {
          headers: { prefer: 'wait=5', 'if-none-match': etag },
        })
        etag = answer.headers.get('etag') ?? ''
        if (answer.status === 200 && ((await answer.json()) as Json)['bytesReceived'] >= bytes) return
      }
    }
    await some(MiB)
    await agent.kill('SIGKILL')
    await stack.restart('SIGKILL')
    const again = await startAgent('killed', file)
    await some(6 * MiB)
    await stack.restart('SIGKILL')
    toStore.slow(Infinity)
    const { attempt } = await completed(id, sha256)
    expect(attempt).toBe(1)
    expectNoSecret(agent)
    expectNoSecret(again)
  }, 180_000)

  test('what is damaged on the way is refused by the store, and sent again', async () => {
    const { file, sha256 } = await write('damaged.bin', 8 * MiB)
    const agent = await startAgent('damaged', file)
    toStore.damage(3)
    const { id } = await stack.ask({ clientId: 'damaged' })
    await completed(id, sha256)
    expect(toStore.damaged()).toBeGreaterThan(0)
    expect(agent.output()).toContain('it arrived damaged')
  }, 120_000)

  test('a site that does not reach the store sends by way of the server, and says so once', async () => {
    const { file, sha256 } = await write('walled.bin', 8 * MiB)
    const agent = await startAgent('walled', file)
    toStore.refuse()
    const before = toServer.sent()
    const { id } = await stack.ask({ clientId: 'walled' })
    await completed(id, sha256)
    expect(toServer.sent() - before).toBeGreaterThan(8 * MiB)
    expect(agent.output().split('goes by way of the server').length).toBe(2)
    expectNoSecret(agent)
  }, 120_000)
})
