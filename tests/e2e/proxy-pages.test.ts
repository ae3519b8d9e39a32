import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { proxyPages, type DocumentedProxy } from '../helpers/documented-proxies.ts'
import { sha256Of, sha256OfFile, temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { callsOverTls } from '../helpers/over-tls.ts'
import { projectFolder } from '../helpers/process.ts'
import { makeRelease } from '../helpers/release.ts'
import { certificateOf } from '../helpers/reverse-proxies.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const admin = bearer(ADMIN)

/** What a site without our agent proves itself with. */
async function enrolled(stack: Stack, clientId: string): Promise<Record<string, string>> {
  const enrolment = await stack.post('/enrolments', { clients: clientId })
  const credential = await stack.post('/credentials', { clientId }, bearer(enrolment.body['secret']))
  const site = bearer(credential.body['secret'])
  // Its first call makes it known.
  await fetch(`${stack.url}/jobs?client=${clientId}`, { headers: site })
  return site
}

test('every page of docs/proxies is run here', async () => {
  const pages = await readdir(join(projectFolder, 'docs/proxies'))
  expect(pages.toSorted()).toEqual(proxyPages.map(({ page }) => page).toSorted())
})

// Each runs the blocks of its page as they stand there; ports and paths are those of this machine.
describe.each(proxyPages)('docs/proxies/$page', ({ program, start, notices }) => {
  const needs = { programs: [program, 'openssl'] }
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let stack: Stack
  let proxy: DocumentedProxy | undefined

  beforeAll(async () => {
    place = await temporaryFolder()
    const { folder } = await makeRelease(place.folder)
    stack = await startStack({ TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN, RELEASES: folder })
  })
  afterEach(async () => {
    await proxy?.stop()
    proxy = undefined
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  const infront = async () => {
    proxy = await start(stack.url)
    const ca = certificateOf(proxy)
    const calls = callsOverTls(proxy.url, await readFile(ca))
    const agent = (id: string, file: string, ...args: string[]) =>
      stack.online(id, ['--server', proxy?.url ?? '', '--ca', ca, '--file', file, ...args])
    return { ...calls, agent }
  }
  testWith(needs, 'a poll is held and woken, and an upload that was cut goes on where it was', async () => {
    const { agent } = await infront()
    const file = join(stack.folder, 'large.bin')
    const sha256 = await writeRandom(file, 24 * MiB)
    const first = await agent('site', file, '--limit', '12MB/s')
    await until('its poll', async () => (await openPolls(stack, admin)) === 1)
    const { id } = await stack.ask({ clientId: 'site' })
    await until('a part of it', async () => (await stack.get(`/downloads/${id}`))['bytesReceived'] > 4 * MiB)
    await first.kill('SIGKILL')
    const second = await agent('site', file)
    const done = await stack.reached(id, 'completed')
    expect(done).toMatchObject({ verified: true, sha256, attempt: 1 })
    expect(done['bytesResent']).toBeLessThan(20 * MiB)
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    await second.kill('SIGTERM')
  })

  // Where it does not, the poll ends by itself: its page says so.
  const noticing = notices ? testWith : () => undefined
  noticing(needs, 'a caller that has gone is gone for the server, too', async () => {
    const { begin } = await infront()
    const headers = { ...(await enrolled(stack, 'gone')), prefer: 'wait=300' }
    const asking = begin({ path: '/jobs?client=gone', headers }).end()
    asking.on('error', () => undefined)
    await until('its poll', async () => (await openPolls(stack, admin)) === 1)
    asking.destroy()
    await until('its end', async () => (await openPolls(stack, admin)) === 0)
  })

  testWith(needs, 'bodies of any length pass while they arrive, in and out', async () => {
    const { begin, answerOf } = await infront()
    const site = await enrolled(stack, 'streaming')
    const { id } = await stack.ask({ clientId: 'streaming' })
    const content = randomBytes(16 * MiB)
    const length = { 'content-length': content.length }
    const upload = begin({ method: 'PUT', path: `/jobs/${id}/file`, headers: { ...site, ...length } })
    const stored = answerOf(upload)
    upload.write(content.subarray(0, 9 * MiB))
    const reading = await answerOf(begin({ path: `/downloads/${id}/content`, headers: admin }).end())
    expect(reading.statusCode).toBe(200)
    const ended = once(reading, 'end').catch((error: Error) => error)
    const pieces: Buffer[] = []
    let got = 0
    reading.on('data', (piece: Buffer) => {
      pieces.push(piece)
      got += piece.length
    })
    // A server makes 4 MiB durable at a time, and hands those out.
    await until('what was sent so far', async () => got === 8 * MiB)
    upload.end(content.subarray(9 * MiB))
    const whole = await stored
    whole.resume()
    expect(whole.statusCode).toBe(200)
    expect(await ended).toEqual([])
    expect(sha256Of(Buffer.concat(pieces))).toBe(sha256Of(content))
  })

  testWith(
    needs,
    'the server knows the caller, the address that it was called by, and the path as it was sent',
    async () => {
      const { text } = await infront()
      const forged = { ...admin, 'x-forwarded-for': '203.0.113.9' }
      await text({ path: '/tokens', method: 'POST', headers: forged, from: '127.0.0.2' })
      const audit = await stack.get('/audit?limit=1')
      expect(audit).toMatchObject({ entries: [{ address: '127.0.0.2' }] })
      const script = await text({ path: '/install.sh' })
      expect(script.body).toContain(`server='${proxy?.url}'`)
      const encoded = await text({ path: '/clients/nobody/files/a%2Fb%20c%2e', headers: admin })
      expect(JSON.parse(encoded.body)).toMatchObject({ code: 'client-unknown' })
    },
  )
})

const all = { programs: [...proxyPages.map(({ program }) => program), 'openssl'], long: true }
testWith(
  all,
  'a poll is held for longer than proxies wait by their defaults, by each of them',
  async () => {
    const stack = await startStack({ TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN })
    const headers = { ...(await enrolled(stack, 'site')), prefer: 'wait=300' }
    const proxies = await Promise.all(proxyPages.map(({ start }) => start(stack.url)))
    try {
      const polls = proxies.map(async (proxy) => {
        const { text } = callsOverTls(proxy.url, await readFile(certificateOf(proxy)))
        const { status, body } = await text({ path: '/jobs?client=site', headers })
        return [status, (JSON.parse(body) as Json)['jobs'].length]
      })
      await delay(65_000)
      await stack.ask({ clientId: 'site' })
      expect(await Promise.all(polls)).toEqual(proxies.map(() => [200, 1]))
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()))
      await stack.stop()
    }
  },
  120_000,
)
