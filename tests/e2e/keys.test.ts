import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
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
    expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    const [credential, ...others] = await credentialsOf('keyed')
    expect(credential).toMatchObject({ clientId: 'keyed', kind: 'key', revokedAt: null })
    expect(others).toEqual([])
    expect((await revoke(`/${credential?.['id']}`)).status).toBe(204)
    // Its enrolment token was for one.
    await agent.line((line) => String(line['msg']).includes('enrolment-spent'))
    await agent.kill('SIGTERM')
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
})
