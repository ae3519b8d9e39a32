import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

/** As many as a dashboard must show. */
const CLIENTS = 10_000
/** Epoch ms. */
const FAR_AHEAD = 4_000_000_000_000_000

const numbered = (keep: (n: number) => boolean): string[] =>
  Array.from({ length: CLIENTS }, (_, n) => n)
    .filter(keep)
    .map((n) => `site_${String(n).padStart(5, '0')}`)

describe('the list of ten thousand clients', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ ADMIN_TOKEN: ADMIN, AUTH: 'on' })
    // Of every fiftieth its row says that it is there.
    const rows = numbered(() => true).map((id, n) => `('${id}', ${n % 50 === 7 ? FAR_AHEAD : 1})`)
    await stack.execute(`INSERT INTO clients (id, last_seen) VALUES ${rows.join(', ')}`)
  })
  afterAll(() => stack.stop())

  const ids = ({ clients }: Json): string[] => clients.map(({ id }: Json) => id)

  /** Every page from the first on. */
  const walk = async (
    query: string,
    headers: Record<string, string> = {},
  ): Promise<{ pages: number; found: string[] }> => {
    const found: string[] = []
    let pages = 0
    let next: string | null = ''
    while (next !== null) {
      const answer: Json = await stack.get(`/clients?${query}${next === '' ? '' : `&cursor=${next}`}`, headers)
      expect(answer['count']).toBe(answer['clients'].length)
      found.push(...ids(answer))
      pages += 1
      next = answer['next']
    }
    return { pages, found }
  }

  test('comes in pages, in the order of their ids; all at once without a limit', async () => {
    const all = numbered(() => true)
    expect(await walk('status=all&limit=1000')).toEqual({ pages: 10, found: all })
    const whole = await stack.get('/clients?status=all')
    expect([ids(whole), whole['count'], whole['next']]).toEqual([all, CLIENTS, null])
  })

  test('is looked through for those online until the page is full, or for so long', async () => {
    const online = numbered((n) => n % 50 === 7)
    const first = await stack.get('/clients?limit=5')
    expect([ids(first), first['next']]).toEqual([online.slice(0, 5), 'site_00207'])
    const { pages, found } = await walk('limit=150')
    expect(found).toEqual(online)
    // No call looks at all of them.
    expect(pages).toBeLessThanOrEqual(4)
    const none = await stack.get('/clients?status=all&limit=1&search=site_0&outdated=true')
    const next = String(none['next'])
    expect([none['count'], next > 'site_04990' && next < 'site_06000']).toEqual([0, true])
  })

  test('is searched by a part of the id', async () => {
    expect(await walk('status=all&limit=50&search=ITE_0123')).toEqual({
      pages: 1,
      found: numbered((n) => Math.floor(n / 10) === 123),
    })
    expect(ids(await stack.get('/clients?status=all&search=_00007'))).toEqual(['site_00007'])
    expect(await stack.get('/clients?status=all&search=%25')).toMatchObject({ count: 0, next: null })
  })

  test('shows those that the caller may see', async () => {
    const { body } = await stack.post('/tokens', { name: 'few', role: 'reader', clients: ['site_0999*'] })
    // Four pages: no cursor is of a client that is not theirs.
    expect(await walk('status=all&limit=3', bearer(body['secret']))).toEqual({
      pages: 4,
      found: numbered((n) => Math.floor(n / 10) === 999),
    })
  })

  test.each([
    'limit=0',
    'limit=1001',
    'limit=',
    'search=',
    `search=${'x'.repeat(65)}`,
    'search=%00',
    'cursor=%20',
    'cursor=',
  ])('%s is refused', async (query) => {
    expect(await stack.get(`/clients?${query}`)).toMatchObject({ code: 'invalid', status: 400 })
  })
})
