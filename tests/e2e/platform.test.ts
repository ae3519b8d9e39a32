import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { newSecret } from '../../server/domain/access/secrets.ts'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { certificateOf, startHaproxy, startNginx, type ReverseProxy } from '../helpers/reverse-proxies.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
const LIMIT = 32 * MiB
const needs = { programs: ['nginx', 'haproxy', 'openssl', 'curl'], long: true }

// It ends TLS, picks the port, refuses requests of more than 32 MB, and answers that tell to be longer.
describe('a platform', () => {
  let stack: Stack
  let bare: Stack
  let file: string
  let sha256: string
  const proxies: ReverseProxy[] = []
  const enrol = newSecret('enrolment').secret
  const env = { HOST: '0.0.0.0', TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN, ENROL_TOKEN: enrol, ENROL_CLIENTS: 'site_*' }

  /** The platform in front of a server. */
  const infrontOf = async ({ url }: Stack): Promise<ReverseProxy> => {
    const refusing = await startHaproxy({
      upstream: url,
      settings: `http-response deny deny_status 500 if { res.hdr_val(content-length) gt ${LIMIT} }`,
    })
    proxies.push(refusing)
    const ending = await startNginx({
      upstream: refusing.url,
      tls: true,
      settings: `client_max_body_size 32m; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $remote_addr; proxy_buffering off;`,
    })
    proxies.push(ending)
    return ending
  }

  const curl = (proxy: ReverseProxy, path: string, ...more: string[]) => {
    const config = `header = "authorization: ${bearer(ADMIN)['authorization']}"`
    const args = ['-K', '-', '-sS', '--cacert', certificateOf(proxy), '-w', '%{http_code}', ...more, proxy.url + path]
    return spawnSync('curl', args, { input: config, encoding: 'utf8' }).stdout
  }

  beforeAll(async () => {
    if (lacking(needs).length > 0) return
    stack = await startStack({ ...env, LENGTH_LIMIT: '32MiB' })
    bare = await startStack(env)
    file = join(stack.folder, 'large.bin')
    sha256 = await writeRandom(file, 80 * MiB)
  })
  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await bare?.stop()
    await stack?.stop()
  })

  const online = (of: Stack, id: string, proxy: ReverseProxy) =>
    of.online(id, ['--server', proxy.url, '--ca', certificateOf(proxy), '--file', file], { ENROL_TOKEN: enrol })

  test('gets JSON in pieces, too, where it is longer than the limit', async () => {
    const small = await startStack({ LENGTH_LIMIT: '1KiB' })
    try {
      const lengthOf = async (path: string, method = 'GET'): Promise<string | null> => {
        const answer = await fetch(small.url + path, { method })
        if (method === 'GET') await answer.json()
        return answer.headers.get('content-length')
      }
      expect(await lengthOf('/openapi.json')).toBeNull()
      expect(await lengthOf('/openapi.json', 'HEAD')).toMatch(/^\d{6}$/)
      expect(await lengthOf('/api/clients')).toBe('25')
    } finally {
      await small.stop()
    }
  })

  testWith(needs, 'takes a file larger than its limit from a site, and hands it out', async () => {
    const proxy = await infrontOf(stack)
    await online(stack, 'site_1', proxy)
    const { id } = await stack.ask({ clientId: 'site_1' })
    expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true })
    const sent = (await proxy.passed()).filter(({ method }) => method === 'PUT')
    expect(sent.length).toBeGreaterThan(2)
    expect(sent.every(({ status, length }) => status < 300 && length <= LIMIT)).toBe(true)
    const got = join(stack.folder, 'got')
    for (const path of [`/downloads/${id}/content`, '/clients/site_1/files/large.bin', '/api/download/site_1']) {
      expect([path, curl(proxy, path, '-o', got)]).toEqual([path, '200'])
      expect(await sha256OfFile(got)).toBe(sha256)
    }
    expect(stack.server.output()).not.toContain('Warning')
    // Over HTTP/1.0 a length is the only thing that tells of a break.
    const old = execFileSync('curl', ['-sS0', '-D', '-', '-o', got, '-K', '-', `${stack.url}/api/download/site_1`], {
      input: `header = "authorization: ${bearer(ADMIN)['authorization']}"`,
      encoding: 'utf8',
    })
    expect(old).toMatch(new RegExp(`content-length: ${80 * MiB}`, 'i'))
  })

  testWith(
    needs,
    'refuses what is too long for it: a whole file in one request, and an answer that tells its length',
    async () => {
      const proxy = await infrontOf(bare)
      await online(bare, 'site_2', proxy)
      const { id } = await bare.ask({ clientId: 'site_2' })
      await bare.reached(id, 'completed')
      expect(curl(proxy, `/jobs/${id}/file`, '-T', file, '-o', '/dev/null')).toBe('413')
      expect(curl(proxy, `/downloads/${id}/content`, '-o', '/dev/null')).toBe('500')
      const got = join(stack.folder, 'streamed')
      expect(curl(proxy, '/api/download/site_2', '-o', got)).toBe('200')
      expect(await sha256OfFile(got)).toBe(sha256)
    },
  )

  testWith(needs, 'lets in only sites that the token of its settings is for', async () => {
    const other = stack.agent('office', ['--file', file], { ENROL_TOKEN: enrol })
    const said = await other.line((line) => Number(line['level']) >= 40)
    expect(JSON.stringify(said)).toContain('not for office')
    await other.kill('SIGTERM')
  })
})
