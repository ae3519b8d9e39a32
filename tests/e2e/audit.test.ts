import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

// What a scoped token tries, and the audit must tell without growing at its will.
describe('the audit of what is refused', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
    const { secret } = (await stack.post('/enrolments', { clients: 'shop' })).body
    const own = bearer((await stack.post('/credentials', { clientId: 'shop' }, bearer(secret))).body['secret'])
    expect((await fetch(`${stack.url}/jobs?client=shop`, { headers: own })).status).toBe(204)
  })
  afterAll(() => stack.stop())

  const scoped = async (name: string): Promise<Record<string, string>> => {
    const request = { name, role: 'operator', clients: ['shop*'], paths: ['logs/**'] }
    return bearer(String((await stack.post('/tokens', request)).body['secret']))
  }
  const entriesOf = async (name: string): Promise<Json[]> =>
    (await stack.get(`/audit?limit=1000&actor=${encodeURIComponent(`token ${name}`)}`))['entries']

  test('names the path and the client, by whatever route they were asked for', async () => {
    const own = await scoped('curious')
    const path = 'secret.txt'
    expect((await stack.post('/downloads', { clientIds: '*', path }, own)).status).toBe(403)
    expect((await stack.post('/downloads', { clientId: 'shop', path }, own)).status).toBe(403)
    expect((await stack.post('/download', { clientId: 'shop', fileName: path }, own)).status).toBe(403)
    expect((await stack.post('/download/shop', { fileName: path }, own)).status).toBe(403)
    expect((await fetch(`${stack.url}/clients/shop/files/${path}`, { headers: own })).status).toBe(403)
    const refused = { path, status: 403, code: 'not-permitted' }
    expect(await entriesOf('curious')).toMatchObject([
      { action: 'GET /clients/{id}/files/{path}', clientId: 'shop', ...refused },
      { action: 'POST /download/{id}', clientId: 'shop', ...refused },
      { action: 'POST /download', clientId: 'shop', ...refused },
      { action: 'POST /downloads', clientId: 'shop', ...refused },
      { action: 'POST /downloads', clientId: null, ...refused },
    ])
  })

  test('has few rows of one call, however many clients it names', async () => {
    const own = await scoped('flooding')
    const clientIds = Array.from({ length: 10_000 }, (_, index) => `made-up-${index}`)
    const answer = await stack.post('/downloads', { clientIds, path: `logs/${'x'.repeat(4000)}` }, own)
    expect([answer.status, answer.body['code']]).toEqual([404, 'client-unknown'])
    const entries = await entriesOf('flooding')
    expect(entries[0]).toMatchObject({ action: 'POST /downloads', status: 404, code: 'client-unknown' })
    expect(entries.length).toBeLessThanOrEqual(10)
  })
})
