import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { makeAuthority, replacePair, type Authority, type Pair } from '../helpers/certificates.ts'
import { sha256OfFile, temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const needs = { programs: ['openssl', 'curl'] }

describe('TLS', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let authority: Authority
  let pair: Pair
  let stack: Stack

  beforeAll(async () => {
    if (lacking(needs).length > 0) return
    place = await temporaryFolder()
    authority = makeAuthority(place.folder)
    pair = authority.issue()
    stack = await startStack({ TLS_CERT: pair.cert, TLS_KEY: pair.key })
  })
  afterAll(async () => {
    await stack?.stop()
    await place?.remove()
  })

  /** The certificate that the server shows, as DER. */
  const shown = async ({ url } = stack): Promise<string> => {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { raw } = socket.getPeerCertificate()
    socket.destroy()
    return raw.toString('hex')
  }

  const curl = (path: string, ...more: string[]): Json =>
    JSON.parse(execFileSync('curl', ['-sS', '--cacert', authority.ca, ...more, stack.url + path], { encoding: 'utf8' }))

  testWith(needs, 'an agent that trusts the authority, and knows the pinned key, sends its file', async () => {
    const file = join(stack.folder, 'over-tls.bin')
    const sha256 = await writeRandom(file, 3 * 1024 * 1024)
    const agent = stack.agent('trusting', ['--file', file, '--ca', authority.ca, '--pin', pair.pin])
    await agent.line((line) => line['msg'] === 'session begun')
    const { id } = curl('/downloads', '-H', 'content-type: application/json', '-d', '{"clientId":"trusting"}')
    const done = await until('the file to be there', async () => {
      const now = curl(`/downloads/${id}`)
      return now['status'] === 'completed' && now
    })
    expect(done).toMatchObject({ sha256, verified: true })
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    await agent.kill('SIGTERM')
  })

  testWith(needs, 'an agent that does not trust the server, or knows another key, tells it nothing', async () => {
    const other = authority.issue()
    const refused: [string, string[]][] = [
      ['untrusting', []],
      ['pinned', ['--ca', authority.ca, '--pin', other.pin]],
    ]
    for (const [id, args] of refused) {
      const agent = stack.agent(id, args)
      await agent.line((line) => /certificate|another key than the pinned one/.test(JSON.stringify(line)))
      expect(curl(`/clients/${id}`)).toMatchObject({ code: 'client-unknown' })
      await agent.kill('SIGTERM')
    }
  })

  testWith(
    needs,
    'a new certificate is shown without a restart, and one that does not fit its key is not',
    async () => {
      const before = await shown()
      const next = authority.issue()
      await replacePair(pair, next)
      const after = await until('the new certificate', async () => {
        const now = await shown()
        return now !== before && now
      })
      await rename(authority.issue().key, pair.key)
      await stack.server.line((line) => String(line['msg']).includes('the one before stays'))
      expect(await shown()).toBe(after)
      expect(curl('/health')).toMatchObject({ status: 'ok' })
    },
  )

  testWith(needs, 'a folder of certificates is turned to another by its link, and that one is shown', async () => {
    const [first, next] = [authority.issue(), authority.issue()]
    const link = join(place.folder, 'current')
    await symlink(dirname(first.cert), link)
    const linked = await startStack({ TLS_CERT: join(link, 'cert.pem'), TLS_KEY: join(link, 'key.pem') })
    const before = await shown(linked)
    await symlink(dirname(next.cert), `${link}.new`)
    await rename(`${link}.new`, link)
    await until('the new certificate', async () => (await shown(linked)) !== before)
    await linked.stop()
  })
})
