import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { call, updatable } from '../helpers/updatable.ts'
import { until } from '../helpers/until.ts'

/** An order as `GET /clients/ID` shows it. */
const orderOf = async (stack: Stack, id: string): Promise<Json | null> => (await stack.get(`/clients/${id}`))['update']

describe('updates', () => {
  let stack: Stack
  let place: Awaited<ReturnType<typeof temporaryFolder>>

  /** A release is known by its list: whole at once, as they are published. */
  const release = async (version: string): Promise<void> => {
    const names = ['linux-x64', 'linux-arm64'].map((platform) => `backhaul-agent-${version}-${platform}.gz`)
    const others = [`backhaul-agent_${version}_amd64.deb`, 'install.sh']
    const lines = [...names, ...others].map((name) => `${'a'.repeat(64)}  ${name}\n`)
    await writeFile(join(place.folder, 'next'), lines.join(''))
    await rename(join(place.folder, 'next'), join(place.folder, 'SHA256SUMS'))
  }
  const order = (id: string) => call(stack, 'POST', `/clients/${id}/update`)
  const takeBack = (id: string) => call(stack, 'DELETE', `/clients/${id}/update`)

  beforeAll(async () => {
    place = await temporaryFolder()
    await release('0.2.0')
    stack = await startStack({ RELEASES: place.folder })
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  test('an order wakes the poll, is told with every list until it is over, and is followed to its end', async () => {
    const site = await updatable(stack, 'shop')
    const first = await updatable(stack, 'other')
    const { rev } = (await (await updatable(stack, 'shop')).poll({ seen: 0 }))!
    expect(await site.report('x', 'fetching')).toEqual([409, 'session-superseded'])
    const again = await updatable(stack, 'shop')
    const before = await openPolls(stack)
    const held = again.poll({ seen: rev + 1, wait: 60 })
    await until('the poll to be held', async () => (await openPolls(stack)) > before)
    const { status, body } = await order('shop')
    const { update } = body
    expect([status, update]).toEqual([202, { ...update, version: '0.2.0', state: 'ordered', detail: null }])
    const told = { id: update.id, version: '0.2.0' }
    expect(await held).toEqual({ rev: rev + 2, jobs: [], update: told })
    // Who passes over it is not told again at once.
    expect(await again.poll({ seen: rev + 2 })).toBeUndefined()
    expect((await order('shop')).body['update']).toEqual(update)
    expect(await again.poll({ seen: rev + 2 })).toBeUndefined()

    expect(await again.report(update.id, 'fetching')).toEqual([204, undefined])
    expect(await again.report(update.id, 'fetched')).toEqual([204, undefined])
    expect(await again.report(update.id, 'fetching')).toEqual([204, undefined])
    expect(await orderOf(stack, 'shop')).toMatchObject({ id: update.id, state: 'fetched' })
    expect(await again.poll({ seen: rev + 2 })).toBeUndefined()
    expect((await again.poll({ seen: 0 }))!['update']).toEqual(told)
    expect((await first.poll({ seen: 0 }))!['update']).toBeUndefined()
    expect(await first.report(update.id, 'failed')).toEqual([404, 'update-unknown'])

    await stack.restart('SIGKILL')
    expect(await orderOf(stack, 'shop')).toMatchObject({ id: update.id, state: 'fetched' })
    const updated = await updatable(stack, 'shop', { version: '0.2.0' })
    expect(await stack.get('/clients/shop')).toMatchObject({
      version: '0.2.0',
      outdated: false,
      update: { id: update.id, state: 'installed' },
    })
    expect((await updated.poll({ seen: 0 }))!['update']).toBeUndefined()
    expect(await updated.report(update.id, 'installed')).toEqual([204, undefined])
    expect(await updated.report(update.id, 'fetched')).toEqual([404, 'update-unknown'])
    const late = await order('shop')
    expect([late.status, late.body['code']]).toEqual([409, 'up-to-date'])
    expect(stack.server.output()).toContain('update installed')
  })

  test('one that is new, and is rolled back after all, has failed; another order begins anew', async () => {
    await updatable(stack, 'unlucky')
    const { update } = (await order('unlucky')).body
    await updatable(stack, 'unlucky', { version: '0.2.0' })
    expect(await orderOf(stack, 'unlucky')).toMatchObject({ state: 'installed' })
    const back = await updatable(stack, 'unlucky')
    expect(await back.report(update.id, 'failed', { detail: 'it stopped three times' })).toEqual([204, undefined])
    expect(await back.report(update.id, 'failed', { detail: 'it stopped three times' })).toEqual([204, undefined])
    expect(await stack.get('/clients/unlucky')).toMatchObject({
      version: '0.1.0',
      outdated: true,
      update: { id: update.id, state: 'failed', detail: 'it stopped three times' },
    })
    expect((await back.poll({ seen: 0 }))!['update']).toBeUndefined()
    const next = (await order('unlucky')).body['update']
    expect(next).toMatchObject({ state: 'ordered', detail: null })
    expect(next.id).not.toBe(update.id)
    expect(await back.report(update.id, 'fetching')).toEqual([404, 'update-unknown'])
  })

  test('an agent that is away is told when it is back: its first poll, which knows no revision yet, does not wait', async () => {
    await updatable(stack, 'away')
    const { update } = (await order('away')).body
    const back = await updatable(stack, 'away')
    expect((await back.poll({ wait: 60 }))!['update']).toEqual({ id: update.id, version: '0.2.0' })
    // One of curl is in no session, and could not tell what became of it.
    expect((await fetch(`${stack.url}/jobs?client=away`)).status).toBe(204)
    // Installed anew, as a package: it is nothing to this one.
    const packaged = await updatable(stack, 'away', { updates: false })
    expect((await packaged.poll({ seen: 0 }))!['update']).toBeUndefined()
  })

  test('an order is taken back while nothing is fetched', async () => {
    const site = await updatable(stack, 'undecided')
    expect((await takeBack('undecided')).body['code']).toBe('update-unknown')
    const { id } = (await order('undecided')).body['update']
    await site.report(id, 'fetching')
    const { rev } = (await site.poll({ seen: 0 }))!
    expect(await takeBack('undecided')).toMatchObject({ status: 200, body: { update: null } })
    expect(await site.poll({ seen: rev })).toEqual({ rev: rev + 1, jobs: [] })
    expect(await site.report(id, 'fetched')).toEqual([404, 'update-unknown'])
    const next = (await order('undecided')).body['update'].id
    await site.report(next, 'fetched')
    expect(await takeBack('undecided')).toMatchObject({ status: 409, body: { code: 'already-fetched' } })
    // What nobody has installed after an hour, nobody is about to.
    const changed = (earlier: string) => `UPDATE clients SET update_order = ${earlier} WHERE id = 'undecided'`
    const at = `(update_order::jsonb ->> 'changedAt')::bigint`
    await stack.execute({
      sqlite: changed(`json_set(update_order, '$.changedAt', update_order ->> 'changedAt' - 3601000)`),
      postgres: changed(`jsonb_set(update_order::jsonb, '{changedAt}', to_jsonb(${at} - 3601000))::text`),
    })
    expect(await takeBack('undecided')).toMatchObject({ status: 200, body: { update: null } })
    const last = (await order('undecided')).body['update'].id
    await site.report(last, 'failed')
    expect(await takeBack('undecided')).toMatchObject({ status: 409, body: { code: 'already-finished' } })
  })

  test.each([
    ['nobody', undefined, 404, 'client-unknown'],
    ['package', { updates: false }, 409, 'update-unsupported'],
    ['windows', { platform: 'win32-x64' }, 404, 'release-unknown'],
    ['newer', { version: '0.3.0-rc.1' }, 409, 'up-to-date'],
    ['same', { version: '0.2.0' }, 409, 'up-to-date'],
    ['strange', { version: 'made here' }, 409, 'up-to-date'],
  ] as const)('what cannot be ordered is refused: %s', async (id, told, status, code) => {
    if (told) await updatable(stack, id, told)
    expect(await order(id)).toMatchObject({ status, body: { code } })
    expect((await takeBack(id)).status).toBe(404)
  })

  test('a call that says something else is refused, and nothing is ordered', async () => {
    const site = await updatable(stack, 'careful')
    const other = await stack.post('/clients/careful/update', { version: '9.9.9' })
    expect([other.status, other.body['code']]).toEqual([400, 'invalid'])
    const { id } = (await order('careful')).body['update']
    expect(await site.report(id, 'ordered')).toEqual([400, 'invalid'])
    expect(await site.report(id, 'failed', { detail: 'two\nlines' })).toEqual([400, 'invalid'])
    expect(await site.report(id, 'failed', { id: 'another' })).toEqual([400, 'invalid'])
    const answer = await stack.post(`/updates/${id}?client=careful`, { id, state: 'failed' })
    expect([answer.status, answer.body['code']]).toEqual([400, 'session-required'])
    expect(await orderOf(stack, 'careful')).toMatchObject({ id, state: 'ordered' })
  })

  test('who is old is known by the release as it is now; without one, nobody is', async () => {
    const outdated = async (): Promise<unknown[]> => {
      const { clients } = await stack.get('/clients?status=all&outdated=true')
      const metrics = await (await fetch(`${stack.url}/metrics`)).text()
      expect(metrics).toContain(`\nbackhaul_clients_outdated ${clients.length}\n`)
      return clients.map(({ id }: Json) => id).filter((id: string) => id.startsWith('age'))
    }
    await updatable(stack, 'age-1', { version: '0.2.0-rc.1' })
    await updatable(stack, 'age-2', { version: '0.2.0', platform: 'linux-arm64' })
    await updatable(stack, 'age-3', { version: '0.9.0', updates: false })
    await updatable(stack, 'age-4', { version: '0.1.0', platform: 'darwin-arm64' })
    await fetch(`${stack.url}/jobs?client=age-curl`)
    expect(await outdated()).toEqual(['age-1', 'age-4'])
    const { clients } = await stack.get('/clients?status=all&outdated=false')
    expect(clients.map(({ id }: Json) => id)).toEqual(expect.arrayContaining(['age-2', 'age-3', 'age-curl']))
    const before = (await order('age-1')).body['update']
    await release('0.10.0')
    expect(await outdated()).toEqual(['age-1', 'age-2', 'age-3', 'age-4'])
    // What is ordered is what there is: another version is another order.
    const after = (await order('age-1')).body['update']
    expect([before.version, after.version, before.id === after.id]).toEqual(['0.2.0', '0.10.0', false])
    await rm(join(place.folder, 'SHA256SUMS'))
    expect(await outdated()).toEqual([])
    expect((await order('age-2')).body['code']).toBe('release-unknown')
    // What cannot be read keeps nobody from looking at clients, and is told once.
    await mkdir(join(place.folder, 'SHA256SUMS'))
    expect([await outdated(), await outdated()]).toEqual([[], []])
    expect(stack.server.output().split('the release cannot be read')).toHaveLength(2)
    await rm(join(place.folder, 'SHA256SUMS'), { recursive: true })
    await release('0.2.0')
    expect((await stack.get('/clients?outdated=yes'))['code']).toBe('invalid')
  })
})

describe('orders where only who belongs is let in', () => {
  let stack: Stack
  let place: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    place = await temporaryFolder()
    await writeFile(join(place.folder, 'SHA256SUMS'), `${'a'.repeat(64)}  backhaul-agent-0.2.0-linux-x64.gz\n`)
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, RELEASES: place.folder })
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  const tokenOf = async (request: Json): Promise<Record<string, string>> =>
    bearer(String((await stack.post('/tokens', request)).body['secret']))
  const site = async (clientId: string) => {
    const enrolled = await stack.post('/enrolments', { clients: clientId })
    const { secret } = (await stack.post('/credentials', { clientId }, bearer(enrolled.body['secret']))).body
    return { own: bearer(String(secret)), agent: await updatable(stack, clientId, {}, bearer(String(secret))) }
  }
  const codeOf = async (method: string, path: string, headers: Record<string, string>, body?: Json) => {
    const json = body ? { 'content-type': 'application/json' } : {}
    const sent = body ? { body: JSON.stringify(body) } : {}
    const answer = await fetch(stack.url + path, { method, headers: { ...headers, ...json }, ...sent })
    const text = await answer.text()
    return answer.ok ? answer.status : (JSON.parse(text) as Json)['code']
  }

  test('admins order for every site, operators for those of their scope, and nobody else; the audit says who did', async () => {
    const [mine, other] = [await site('shop_1'), await site('office')]
    const operator = await tokenOf({ name: 'head office', role: 'operator', clients: ['shop_*'], content: false })
    const reader = await tokenOf({ name: 'auditor', role: 'reader' })
    const order = (headers: Record<string, string>, id: string) => codeOf('POST', `/clients/${id}/update`, headers)
    expect(await order(operator, 'shop_1')).toBe(202)
    expect(await order(operator, 'office')).toBe('client-unknown')
    expect(await order(reader, 'shop_1')).toBe('not-permitted')
    expect(await order(mine.own, 'shop_1')).toBe('not-permitted')
    expect(await order({}, 'shop_1')).toBe('unauthenticated')
    expect(await order(bearer(ADMIN), 'office')).toBe(202)
    for (const [who, code] of [
      [operator, 'client-unknown'],
      [reader, 'not-permitted'],
      [other.own, 'not-permitted'],
    ] as const)
      expect(await codeOf('DELETE', '/clients/office/update', who)).toBe(code)

    const { update } = await stack.get('/clients/office')
    const told = (headers: Record<string, string>, client: string) =>
      codeOf('POST', `/updates/${update.id}?client=${client}`, headers, { id: update.id, state: 'failed' })
    expect(await told({ ...mine.own, ...other.agent.headers }, 'office')).toBe('client-unknown')
    expect(await told({ ...mine.own, ...mine.agent.headers }, 'shop_1')).toBe('update-unknown')
    expect(await told({ ...operator, ...other.agent.headers }, 'office')).toBe('not-permitted')
    expect((await stack.get('/clients/office'))['update']).toEqual(update)
    expect(await told({ ...other.own, ...other.agent.headers }, 'office')).toBe(204)

    const shop = (await stack.get('/clients/shop_1'))['update']
    const { entries } = await stack.get('/audit?actor=token%20head%20office')
    expect(entries).toMatchObject([
      { action: 'POST /updates/{id}', status: 403 },
      { action: 'DELETE /clients/{id}/update', clientId: 'office', status: 404 },
      { action: 'POST /clients/{id}/update', clientId: 'office', status: 404 },
      { action: 'POST /clients/{id}/update', clientId: 'shop_1', status: 202, path: `${shop.id} 0.2.0` },
    ])
  })
})
