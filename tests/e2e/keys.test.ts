import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openKeys } from '../../agent/credential.ts'
import { newSecret } from '../../server/domain/access/secrets.ts'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { startForgetfulWay } from '../helpers/forgetful.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

// What a site proves itself with, from its enrolment to its end.
describe('the key of a site', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
  })
  afterAll(() => stack.stop())

  const enrolment = async (clients: string): Promise<string> =>
    String((await stack.post('/enrolments', { clients })).body['secret'])
  const keyOf = (id: string): Promise<string> => readFile(join(stack.folder, 'state', id, 'key.pem'), 'utf8')
  const credentialsOf = async (id: string): Promise<Json[]> =>
    (await stack.get(`/credentials?client=${id}`))['credentials']
  const revoke = (query: string): Promise<Response> =>
    fetch(`${stack.url}/credentials${query}`, { method: 'DELETE', headers: bearer(ADMIN) })

  test('is enrolled, and what the site sends arrives; it is revoked, and the site is nobody', async () => {
    const file = join(stack.folder, 'mine.bin')
    const sha256 = await writeRandom(file, 3 * 1024 * 1024)
    const agent = await stack.online('keyed', ['--file', file], { ENROL_TOKEN: await enrolment('key*') })
    const { id } = await stack.ask({ clientId: 'keyed' })
    const done = await stack.reached(id, 'completed')
    expect(done).toMatchObject({ sha256, verified: true })
    expect(sha256Of(await stack.stored(done))).toBe(sha256)
    const [credential, ...others] = await credentialsOf('keyed')
    expect(credential).toMatchObject({ clientId: 'keyed', kind: 'key', revokedAt: null })
    expect(others).toEqual([])
    expect((await revoke(`/${credential?.['id']}`)).status).toBe(204)
    // Its enrolment token was for one.
    await agent.line((line) => String(line['msg']).includes('enrolment-spent'))
    await agent.kill('SIGTERM')
  })

  test('is enrolled by a token of the server’s own settings, until an admin revokes that: a restart does not bring it back', async () => {
    const enrol = newSecret('enrolment').secret
    const own = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, ENROL_TOKEN: enrol, ENROL_CLIENTS: 'till_*' })
    await own.online('till_1', [], { ENROL_TOKEN: enrol })
    const enrolments: Json[] = (await own.get('/enrolments'))['enrolments']
    const told = enrolments.find(({ clients }) => clients === 'till_*')
    const url = `${own.url}/enrolments/${told?.['id']}`
    expect((await fetch(url, { method: 'DELETE', headers: bearer(ADMIN) })).status).toBe(204)
    await own.restart()
    await own.server.line((line) => String(line['msg']).startsWith('ENROL_TOKEN is a token that was revoked'))
    const late = own.agent('till_2', [], { ENROL_TOKEN: enrol })
    const refused = await late.line((line) => Number(line['level']) >= 40)
    expect(JSON.stringify(refused)).toContain('was revoked')
    expect(await own.get('/clients/till_2')).toMatchObject({ code: 'client-unknown' })
    await own.stop()
  })

  test('is replaced by another, which is in force before the old one is revoked', async () => {
    const first = await stack.online('rotating', [], { ENROL_TOKEN: await enrolment('rotating') })
    const before = await keyOf('rotating')
    await first.kill('SIGTERM')
    const second = stack.agent('rotating', ['--key-days', '0'], { ENROL_TOKEN: '' })
    await second.line((line) => String(line['msg']).startsWith('the site has a new key'))
    await second.line((line) => line['msg'] === 'session begun')
    expect(await keyOf('rotating')).not.toBe(before)
    expect(await credentialsOf('rotating')).toMatchObject([{ revokedAt: expect.any(String) }, { revokedAt: null }])
    await second.kill('SIGKILL')
    const third = stack.agent('rotating', [], { ENROL_TOKEN: '' })
    await third.line((line) => line['msg'] === 'session begun')
    await third.kill('SIGTERM')
  })

  test('was revoked: without an enrolment token the site stays out, with one it makes another and is let in', async () => {
    const first = await stack.online('again', [], { ENROL_TOKEN: await enrolment('again') })
    const before = await keyOf('again')
    expect(await (await revoke('?client=again')).json()).toEqual({ revoked: 1 })
    await first.line((line) => String(line['msg']).includes('enrolment-spent'))
    await first.kill('SIGTERM')
    const without = stack.agent('again', [], { ENROL_TOKEN: '' })
    await without.line((line) => String(line['msg']).includes('unauthenticated'))
    expect(await keyOf('again')).toBe(before)
    await without.kill('SIGTERM')
    const second = await stack.online('again', [], { ENROL_TOKEN: await enrolment('again') })
    await second.line((line) => String(line['msg']).startsWith('the key of this site was revoked'))
    expect(await keyOf('again')).not.toBe(before)
    expect(await credentialsOf('again')).toMatchObject([{ revokedAt: expect.any(String) }, { revokedAt: null }])
    await second.kill('SIGKILL')
    const third = stack.agent('again', [], { ENROL_TOKEN: '' })
    await third.line((line) => line['msg'] === 'session begun')
  })

  test('was replaced, and the answer was lost: the new one is kept, though an enrolment token is there', async () => {
    const token = await enrolment('forgotten')
    const first = await stack.online('forgotten', [], { ENROL_TOKEN: token })
    await first.kill('SIGTERM')
    let sessions = 0
    // The first is asked for the nonce.
    const loses = ({ path }: { path: string }): boolean => path === '/sessions' && ++sessions === 2
    const way = await startForgetfulWay(stack.url, loses)
    const second = stack.agent('forgotten', ['--key-days', '0', '--server', way.url], { ENROL_TOKEN: token })
    await second.line((line) => line['msg'] === 'session begun')
    expect(way.lost()).toEqual(['POST /sessions'])
    expect(await credentialsOf('forgotten')).toMatchObject([{ revokedAt: expect.any(String) }, { revokedAt: null }])
    await second.kill('SIGTERM')
    await way.close()
    const third = stack.agent('forgotten', [], { ENROL_TOKEN: '' })
    await third.line((line) => line['msg'] === 'session begun')
    await third.kill('SIGTERM')
  })

  test('is replaced late, by what was taken for lost: the new one is there still', async () => {
    const first = await stack.online('late', [], { ENROL_TOKEN: await enrolment('late') })
    await first.kill('SIGTERM')
    const way = await startLateWay(stack.url, (number) => number === 2)
    const second = stack.agent('late', ['--key-days', '0', '--server', way.url], { ENROL_TOKEN: '' })
    await second.line((line) => line['msg'] === 'session begun')
    await way.arrived
    await second.line((line) => String(line['msg']).startsWith('the site has a new key'))
    expect(await credentialsOf('late')).toMatchObject([{ revokedAt: expect.any(String) }, { revokedAt: null }])
    await second.kill('SIGTERM')
    await way.close()
  })

  test('replaced another that was revoked, and the power failed before it was in use: it is used', async () => {
    const first = await stack.online('failing', [], { ENROL_TOKEN: await enrolment('failing') })
    await revoke('?client=failing')
    await first.kill('SIGTERM')
    const dir = join(stack.folder, 'state', 'failing')
    const next = await openKeys({ dir, clientId: 'failing' }).make()
    const token = await enrolment('failing')
    const { body } = await stack.post('/credentials', { clientId: 'failing', publicKey: next.publicKey }, bearer(token))
    await next.enrolled(String(body['id']))
    // Its id is lost, too: what is left is a key that the server has revoked.
    await rm(join(dir, 'credential.json'))
    const second = stack.agent('failing', [], { ENROL_TOKEN: token })
    await second.line((line) => line['msg'] === 'session begun')
    await second.kill('SIGTERM')
  })

  test('that cannot be read, of the two, keeps nobody out who has the other', async () => {
    const first = await stack.online('damaged', [], { ENROL_TOKEN: await enrolment('damaged') })
    await first.kill('SIGTERM')
    await writeFile(join(stack.folder, 'state', 'damaged', 'next-key.pem'), 'no key')
    const second = stack.agent('damaged', [], { ENROL_TOKEN: '' })
    await second.line((line) => line['msg'] === 'session begun')
    await second.kill('SIGTERM')
  })
})

/** A way on which one `POST /sessions`, by its number from 1, arrives only after the next one was answered. */
async function startLateWay(target: string, late: (number: number) => boolean) {
  let sessions = 0
  let held: (() => Promise<unknown>) | undefined
  let onArrived: () => void
  const arrived = new Promise<void>((resolve) => (onArrived = resolve))
  const handle = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = asked
    const body = await buffer(asked)
    const forward = async (): Promise<Response> => {
      const given = Object.entries(headers).filter(([name]) => !['host', 'connection', 'content-length'].includes(name))
      const content = body.length === 0 ? {} : { body }
      return fetch(target + url, { method, headers: given as [string, string][], ...content })
    }
    if (method === 'POST' && url === '/sessions' && late((sessions += 1))) {
      held = forward
      asked.socket.resetAndDestroy()
      return
    }
    const response = await forward()
    answer.writeHead(response.status, [...response.headers].filter(([name]) => name !== 'transfer-encoding').flat())
    answer.end(Buffer.from(await response.arrayBuffer()))
    if (!held || !url.startsWith('/sessions')) return
    const release = held
    held = undefined
    await release()
    onArrived()
  }
  const server = createServer((asked, answer) => void handle(asked, answer))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrived,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
