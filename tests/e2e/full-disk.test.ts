import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect } from '@jest/globals'
import { systemCode } from '../../shared/errors.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { diskNeeds, makeDisk, type Disk } from '../helpers/disk.ts'
import { sha256Of, sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const KiB = 1024
const MiB = 1024 * KiB

// Small disks that are really full, thin or broken, under a real server.
describe('a disk that is full', () => {
  let disk: Disk
  let stack: Stack
  const proxies: Proxy[] = []

  afterEach(async () => {
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()))
    await stack.stop()
    await disk.remove()
  })

  const begin = async (size: Parameters<typeof makeDisk>[0], { database = true } = {}): Promise<void> => {
    disk = await makeDisk(size)
    stack = await startStack({
      STORAGE_URL: `file:${join(disk.folder, 'downloads')}`,
      ...(database ? { DATABASE_URL: `sqlite:${join(disk.folder, 'backhaul.db')}` } : {}),
    })
  }

  /** A site with a file, behind a line that can be held. */
  const site = async (id: string, size: number) => {
    const proxy = await startProxy(stack.url)
    proxies.push(proxy)
    const file = join(stack.folder, id)
    const sha256 = await writeRandom(file, size)
    const agent = await stack.online(id, ['--file', file, '--server', proxy.url, '--chunk-size', '256KiB'])
    return { proxy, sha256, agent }
  }

  const held = async (id: string, { proxy }: { proxy: Proxy }, bytes: number): Promise<Json> => {
    proxy.allow(bytes)
    const asked = await stack.ask({ clientId: id })
    await proxy.held()
    return asked
  }

  const status = async (path: string, init?: RequestInit): Promise<number> =>
    (await fetch(stack.url + path, init)).status

  testWith(
    diskNeeds,
    'filled up in mid-transfer by something else: 503 or 507 with the reason; what is durable stays, the rest goes on',
    async () => {
      await begin({ size: 48 * MiB })
      const [first, second, third] = [
        await site('first', 12 * MiB),
        await site('second', MiB),
        await site('third', MiB),
      ]
      const done = await stack.reached((await stack.ask({ clientId: 'third' }))['id'], 'completed')
      const { id } = await held('first', first, 4 * MiB)
      await disk.fill(6 * MiB)

      // There are 6 MiB, and they are promised to the first.
      const { id: later } = await stack.ask({ clientId: 'second' })
      await until('no-room', async () => (await stack.get(`/downloads/${later}`))['reason'] === 'no-room')
      expect(await stack.get(`/downloads/${later}`)).toMatchObject({ status: 'queued', attempt: 0 })
      first.proxy.allow(Infinity)
      await until('the agent to hear that the disk is full', async () => first.agent.output().includes('store-full'))
      await disk.fill()

      const full = await stack.get(`/downloads/${id}`)
      expect(full).toMatchObject({ status: 'transferring', attempt: 1 })
      expect(full['bytesReceived']).toBeGreaterThan(3 * MiB)
      // Whoever needs no room goes on.
      expect((await stack.get('/downloads'))['count']).toBe(3)
      expect(await status('/jobs?client=third&seen=0')).toBe(200)
      const content = await fetch(`${stack.url}/downloads/${done['id']}/content`)
      expect(sha256Of(Buffer.from(await content.arrayBuffer()))).toBe(third.sha256)
      // Whoever needs it hears why not.
      const headers = { 'content-type': 'application/json' }
      for (let tries = 0, code = 202; code === 202 && tries < 50; tries += 1)
        code = await status('/downloads', { method: 'POST', headers, body: '{"clientId":"third","expiresIn":1}' })
      const refused = await stack.post('/downloads', { clientId: 'third' })
      expect(refused).toMatchObject({ status: 503, body: { code: 'store-full' } })
      expect(refused.headers.get('retry-after')).toBe('10')

      await disk.relieve()
      const whole = await stack.reached(id, 'completed')
      expect(whole).toMatchObject({ attempt: 1, verified: true, sha256: first.sha256 })
      expect(await sha256OfFile(whole['filePath'])).toBe(first.sha256)
      expect(await stack.reached(later, 'completed')).toMatchObject({ verified: true, sha256: second.sha256 })
      // What was fetched meanwhile is in the audit all the same.
      await until('the audit', async () =>
        JSON.stringify(await stack.get('/audit')).includes('"GET /downloads/{id}/content"'),
      )
      expect(stack.server.child.exitCode).toBeNull()
    },
  )

  testWith(diskNeeds, 'while a download is verified: it gets its name by itself once there is room', async () => {
    await begin({ size: 48 * MiB }, { database: false })
    const content = randomBytes(2 * MiB)
    const job = await beginByHand(stack, content, { path: 'named.bin' })
    await job.put(0, content.byteLength)
    await disk.fill()
    await packFolder(join(disk.folder, 'downloads'))
    const asking = new AbortController()
    const completing = fetch(`${stack.url}/jobs/${job.id}/complete`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...job.headers },
      body: JSON.stringify({ attempt: 1, size: content.byteLength, sha256: sha256Of(content) }),
      signal: asking.signal,
    }).catch(() => undefined)
    await stack.server.line((line) => line['msg'] === 'verification failed; it is tried again')
    asking.abort()
    await completing
    expect(await stack.get(`/downloads/${job.id}`)).toMatchObject({ status: 'verifying', filePath: null })
    await disk.relieve()
    expect(await stack.reached(job.id, 'completed')).toMatchObject({
      attempt: 1,
      verified: true,
      sha256: sha256Of(content),
      filePath: join(disk.folder, 'downloads', `${job.clientId}_named.bin`),
    })
  })

  testWith(
    diskNeeds,
    'that had promised room it has not: bytes that could not be synced are not believed, and sent again',
    async () => {
      await begin({ size: 64 * MiB, within: 12 * MiB }, { database: false })
      const thin = await site('thin', 20 * MiB)
      const { id } = await stack.ask({ clientId: 'thin' })
      const given = await stack.server.line(({ msg, reason }) => msg === 'download queued' && reason === 'store-full')
      expect(given['id']).toBe(id)
      await disk.grow()
      const whole = await stack.reached(id, 'completed')
      expect(whole).toMatchObject({ verified: true, sha256: thin.sha256 })
      expect(await sha256OfFile(whole['filePath'])).toBe(thin.sha256)
      expect(whole['attempt']).toBeGreaterThan(1)
      expect(whole['bytesResent']).toBeGreaterThan(0)
    },
  )

  testWith(diskNeeds, 'parts left over filled the disk until none could finish', async () => {
    await begin({ size: 48 * MiB })
    const left: string[] = []
    for (let number = 0; number < 3; number += 1) {
      const job = await beginByHand(stack, randomBytes(9 * MiB))
      await job.put(0, 9 * MiB)
      await job.fail(job.id, 'io-error', 1)
      left.push(job.id)
    }
    const kept = async (): Promise<number[]> =>
      Promise.all(left.map(async (id) => (await stack.get(`/downloads/${id}`))['bytesReceived'] / MiB))

    // More than all of them would free: then none of them goes in vain.
    const hopeless = await rawAgent(stack, 'hopeless')
    const { id: never } = await stack.ask({ clientId: 'hopeless' })
    expect(await hopeless.begin(never, 60 * MiB)).toMatchObject({ status: 507, body: { code: 'no-room' } })
    expect(await kept()).toEqual([9, 9, 9])

    const large = await site('large', 14 * MiB)
    const { id } = await stack.ask({ clientId: 'large' })
    expect(await stack.reached(id, 'completed')).toMatchObject({ attempt: 1, verified: true, sha256: large.sha256 })
    expect(large.agent.output()).not.toContain('no-room')
    expect(await kept()).toEqual([0, 9, 9])
  })

  testWith(
    diskNeeds,
    'or rather read-only after an error of its file system: nothing is lost, nobody is told of a mistake of the server',
    async () => {
      await begin({ size: 48 * MiB })
      const broken = await site('broken', 12 * MiB)
      const { id } = await held('broken', broken, 4 * MiB)
      await disk.breakIt()
      broken.proxy.allow(Infinity)
      await until('the agent to hear of it', async () => broken.agent.output().includes('store-busy'))
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'transferring', attempt: 1 })
      const refused = await stack.post('/downloads', { clientId: 'broken' })
      expect(refused).toMatchObject({ status: 503, body: { code: 'store-busy' } })
      expect(broken.agent.output()).not.toContain('internal')
      expect(stack.server.output()).not.toContain('request failed')
      await stack.server.kill('SIGKILL')
      await disk.repair()
      await stack.restart()
      expect(await stack.reached(id, 'completed')).toMatchObject({ verified: true, sha256: broken.sha256 })
    },
  )
})

/** Gives a folder so many names that another one needs room on the disk. */
async function packFolder(folder: string): Promise<void> {
  for (const length of [250, 60, 12]) {
    try {
      for (let number = 0; ; number += 1) await writeFile(join(folder, String(number).padStart(length, 'x')), '')
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error
    }
  }
}
