import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { traceIdOf } from '../../server/http/trace.ts'
import { listenTo } from '../helpers/listening.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

describe('a request that is traced', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ LOG_LEVEL: 'debug' })
    await rawAgent(stack, 'till')
  })
  afterAll(() => stack.stop())

  const ask = async (path: string, traceparent?: string): Promise<string> => {
    const headers: Record<string, string> = traceparent === undefined ? {} : { traceparent }
    const { status, body } = await stack.post('/downloads', { clientId: 'till', path }, headers)
    expect(status).toBe(202)
    return String(body['id'])
  }

  const queued = (id: string) => stack.server.line((line) => line['msg'] === 'download queued' && line['id'] === id)

  test('is named in every line that is written for it, its own included; others are not', async () => {
    const [traced, untraced] = await Promise.all([ask('traced', `00-${TRACE}-${SPAN}-01`), ask('untraced')])
    expect((await queued(traced))['traceId']).toBe(TRACE)
    expect(await queued(untraced)).not.toHaveProperty('traceId')
    const own = await stack.server.line((line) => line['msg'] === 'request' && line['traceId'] === TRACE)
    expect(own).toMatchObject({ method: 'POST', path: '/downloads', status: 202 })
    await stack.get(`/downloads/${traced}`)
    const next = await stack.server.line((line) => line['msg'] === 'request' && line['path'] === `/downloads/${traced}`)
    expect(next).not.toHaveProperty('traceId')
  })

  test('of a header that is none it is not', async () => {
    const id = await ask('forged', `00-${TRACE}-${SPAN}-01","level":60,"x":"`)
    expect(await queued(id)).toMatchObject({ level: 30 })
    expect(await queued(id)).not.toHaveProperty('traceId')
  })

  test('a held poll is named with its answer', async () => {
    const headers = { prefer: 'wait=60', traceparent: `00-${'a'.repeat(32)}-${SPAN}-00` }
    const { rev } = await stack.get('/jobs?client=till&seen=0')
    const held = fetch(`${stack.url}/jobs?client=till&seen=${rev}`, { headers })
    const id = await ask('news')
    expect(JSON.stringify(await (await held).json())).toContain(id)
    const own = await stack.server.line((line) => line['msg'] === 'request' && line['traceId'] === 'a'.repeat(32))
    expect(own['path']).toBe('/jobs')
  })

  test('names no poll that it wakes', async () => {
    const { rev } = await stack.get('/jobs?client=till&seen=0')
    const held = fetch(`${stack.url}/jobs?client=till&seen=${rev}`, { headers: { prefer: 'wait=60' } })
    const woken = 'b'.repeat(32)
    const id = await ask('wakes', `00-${woken}-${SPAN}-01`)
    expect(JSON.stringify(await (await held).json())).toContain(id)
    const requests: unknown[] = []
    await stack.server.line((line) => {
      if (line['msg'] === 'request') requests.push([line['path'], line['traceId']])
      return line['path'] === '/downloads' && line['traceId'] === woken
    })
    expect(requests).not.toContainEqual(['/jobs', woken])
  })

  test('is not named in what is done for all who listen to events', async () => {
    const listening = await listenTo(stack, '', { traceparent: `00-${'c'.repeat(32)}-${SPAN}-01` })
    await stack.execute('ALTER TABLE events RENAME TO events_away')
    const said = await stack.server.line((line) => String(line['msg']).startsWith('the log of events cannot be read'))
    await stack.execute('ALTER TABLE events_away RENAME TO events')
    expect(said).not.toHaveProperty('traceId')
    listening.stop()
  })
})

// https://www.w3.org/TR/trace-context/#traceparent-header-field-values and #versioning-of-traceparent
test.each([
  [`00-${TRACE}-${SPAN}-01`, TRACE],
  [`00-${TRACE}-${SPAN}-ff`, TRACE],
  [`cc-${TRACE}-${SPAN}-01`, TRACE],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, TRACE],
  [`cc-${TRACE}-${SPAN}-01.what-the-future-will-not-be-like`, undefined],
  [`00-${TRACE}-${SPAN}-01-more`, undefined],
  [`ff-${TRACE}-${SPAN}-01`, undefined],
  [`00-${'0'.repeat(32)}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${'0'.repeat(16)}-01`, undefined],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${SPAN}`, undefined],
  [`00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`, undefined],
  ['', undefined],
])('traceparent: %s', (traceparent, traceId) => {
  expect(traceIdOf(traceparent)).toBe(traceId)
})
