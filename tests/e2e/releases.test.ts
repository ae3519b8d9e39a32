import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text as asText } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatDigest } from '../../shared/digest.ts'
import { ADMIN } from '../helpers/admin.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { makeRelease, type SmallRelease } from '../helpers/release.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

describe('what sites install', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let release: SmallRelease
  let stack: Stack

  beforeAll(async () => {
    place = await temporaryFolder()
    release = await makeRelease(join(place.folder, 'release'))
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, RELEASES: release.folder })
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fetch(stack.url + path, { headers, method })

  test('is handed out to everybody, in parts too, under the digest of its bytes', async () => {
    const [name] = release.names
    const whole = await get(`/agents/${name}`)
    const bytes = Buffer.from(await whole.arrayBuffer())
    expect(whole.status).toBe(200)
    expect(bytes.equals(await readFile(join(release.folder, name)))).toBe(true)
    expect(whole.headers.get('etag')).toBe(`"${release.sha256}"`)
    expect(whole.headers.get('repr-digest')).toBe(formatDigest(release.sha256))
    const rest = await get(`/agents/${name}`, { range: 'bytes=1000-' })
    expect([rest.status, rest.headers.get('content-range')]).toEqual([
      206,
      `bytes 1000-${bytes.length - 1}/${bytes.length}`,
    ])
    expect(Buffer.from(await rest.arrayBuffer()).equals(bytes.subarray(1000))).toBe(true)
    expect((await get(`/agents/${name}`, { range: `bytes=${bytes.length}-` })).status).toBe(416)
    expect(
      (await get(`/agents/${name}`, { 'if-none-match': `"${release.sha256}"`, 'cache-control': 'max-age=0' })).status,
    ).toBe(304)
    const older = await get(`/agents/${name}`, { range: 'bytes=1000-', 'if-range': '"another"' })
    expect([older.status, (await older.arrayBuffer()).byteLength]).toEqual([200, bytes.length])
    const head = await get(`/agents/${name}`, {}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)])
    for (const list of ['SHA256SUMS', 'SHA256SUMS.sig', 'release.pub']) {
      expect(await (await get(`/agents/${list}`)).text()).toBe(await readFile(join(release.folder, list), 'utf8'))
    }
  })

  test.each(['key', '..%2Fkey', '%2Fetc%2Fhostname', 'SHA256SUMS.part', 'backhaul-agent', '%00', 'x'.repeat(300)])(
    'what the release does not list is not there: %s',
    async (name) => {
      const answer = await get(`/agents/${name}`)
      expect(answer.status).toBe(404)
      expect(['release-unknown', 'route-unknown']).toContain(((await answer.json()) as Json)['code'])
    },
  )

  test('many sites behind one address are not held back', async () => {
    const asked = Array.from({ length: 150 }, () => get('/agents/SHA256SUMS', {}, 'HEAD'))
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]))
  })

  test('the script knows the server by the name that it was called by, and by no other text', async () => {
    const called = async (host: string): Promise<{ status: number | undefined; text: string }> => {
      // fetch lets nobody choose this header.
      const asked = request(`${stack.url}/install.sh`, { headers: { host } }).end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      return { status: answer.statusCode, text: await asText(answer) }
    }
    for (const host of ['hub.example', 'hub.example:8443', '10.0.0.5:3000', '[::1]:3000']) {
      const { status, text } = await called(host)
      expect([host, status]).toEqual([host, 200])
      expect(text).toContain(`\nserver='http://${host}'\n`)
      expect(text.replace(`'http://${host}'`, "'@SERVER@'")).toBe(
        await readFile(join(release.folder, 'install.sh'), 'utf8'),
      )
    }
    for (const host of ["a'b", '$(id)', 'a;id', '`id`', 'a b', 'a/b', 'a:99999', '[', 'ä', '%27', '$&']) {
      const { status, text } = await called(host)
      expect([host, status]).toEqual([host, 400])
      expect(text).not.toContain('#!')
    }
  })
})

test('the first of ORIGINS is the name of the server; and where there is no release, that is said', async () => {
  const { folder, remove } = await temporaryFolder()
  const stack = await startStack({ ORIGINS: 'https://hub.example,https://other.example', RELEASES: folder })
  const missing = await fetch(`${stack.url}/install.sh`)
  expect([missing.status, ((await missing.json()) as Json)['code']]).toEqual([404, 'release-unknown'])
  expect((await stack.get('/agents/SHA256SUMS'))['detail']).toContain('npm run build:agent')
  await makeRelease(folder)
  expect(await (await fetch(`${stack.url}/install.sh`)).text()).toContain("\nserver='https://hub.example'\n")
  await stack.stop()
  await remove()
})
