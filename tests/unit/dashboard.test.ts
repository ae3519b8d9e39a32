import { describe, expect, test } from '@jest/globals'
import { bundleForBrowsers } from '../../packaging/bundle.ts'
import { barsOf, ROW_HEIGHT, ROWS, WIDTH } from '../../server/web/app/ranges-map.ts'
import { createRates, type Seen } from '../../server/web/app/rates.ts'
import { clientLink, downloadLink, linkTo, routeOf } from '../../server/web/app/route.ts'
import { ENTRY, readModules } from '../../server/web/modules.ts'

describe('addresses', () => {
  test.each([
    ['', 'downloads', ''],
    ['#/', 'downloads', ''],
    ['#/?status=queued', 'downloads', ''],
    ['#/downloads/a%2Fb', 'download', 'a/b'],
    ['#/clients?search=x', 'clients', ''],
    ['#/clients/shop_1', 'client', 'shop_1'],
    ['#/audit', 'audit', ''],
    ['#/audit/x', 'unknown', 'x'],
    ['#/clients/shop_1/x', 'unknown', 'shop_1'],
    ['#/clients/%', 'client', '%'],
    ['#/constructor', 'unknown', ''],
  ])('%s leads to %s', (hash, view, id) => {
    expect(routeOf(hash)).toMatchObject({ view, id })
  })

  test('links lead to where they say', () => {
    expect(routeOf(clientLink('a/b?c#d'))).toMatchObject({ view: 'client', id: 'a/b?c#d' })
    expect(routeOf(downloadLink('x'))).toMatchObject({ view: 'download', id: 'x' })
    const { view, query } = routeOf(linkTo('/clients', { search: 'a&b=c?d', status: '', cursor: null }))
    expect([view, ...query]).toEqual(['clients', ['search', 'a&b=c?d']])
  })
})

describe('rates', () => {
  const at = (bytesReceived: number, more: Partial<Seen> = {}): Seen[] => [
    { id: 'a', attempt: 1, status: 'transferring', size: 10_000, bytesReceived, ...more },
  ]

  test('come of two looks, and tell the time that is left', () => {
    const rates = createRates()
    rates.look(at(0), 1000)
    expect(rates.of('a')).toBeUndefined()
    rates.look(at(2000), 2000)
    expect([rates.of('a'), rates.left(at(2000)[0]!)]).toEqual([2000, 4])
    // Too soon after the last one to tell anything.
    rates.look(at(2001), 2001)
    expect(rates.of('a')).toBe(2000)
    rates.look(at(2000), 3000)
    expect(rates.of('a')).toBeCloseTo(1200)
  })

  test('begin anew with an attempt, and end with the transfer', () => {
    const rates = createRates()
    rates.look(at(0), 0)
    rates.look(at(5000), 1000)
    rates.look(at(1000, { attempt: 2 }), 2000)
    expect(rates.of('a')).toBeUndefined()
    rates.look(at(3000, { attempt: 2 }), 3000)
    expect(rates.of('a')).toBe(2000)
    rates.look(at(10_000, { attempt: 2, status: 'completed' }), 4000)
    expect(rates.of('a')).toBeUndefined()
  })
})

describe('the map', () => {
  test('has a file from its first byte to its last, row by row', () => {
    const bars = barsOf([{ start: 0, end: 800 }], 800)
    expect(bars).toEqual(Array.from({ length: ROWS }, (_, row) => ({ x: 0, y: row * ROW_HEIGHT, width: WIDTH })))
    expect(barsOf([{ start: 150, end: 250 }], 800)).toEqual([
      { x: WIDTH / 2, y: ROW_HEIGHT, width: WIDTH / 2 },
      { x: 0, y: 2 * ROW_HEIGHT, width: WIDTH / 2 },
    ])
    expect(barsOf([], 800)).toEqual([])
  })

  test('shows the smallest piece, and no more bars than can be seen', () => {
    expect(barsOf([{ start: 999, end: 1000 }], 10 ** 12)[0]?.width).toBeGreaterThan(1)
    const pieces = Array.from({ length: 50_000 }, (_, n) => ({ start: n * 20, end: n * 20 + 10 }))
    expect(barsOf(pieces, 1_000_000).length).toBeLessThanOrEqual(ROWS * WIDTH)
    for (const { x, width } of barsOf(pieces, 1_000_000)) expect(x + width).toBeLessThanOrEqual(WIDTH + 2)
  })
})

describe('the modules that browsers run', () => {
  const modules = readModules()

  test('import nothing but each other', () => {
    expect(modules.has(ENTRY)).toBe(true)
    for (const [path, { text }] of modules) {
      const imports = [...text.matchAll(/(?:^|[;}\s])(?:import|from)\s*["']([^"']+)["']/g)].map(([, to = '']) => to)
      for (const to of imports) {
        const { pathname } = new URL(to, `http://localhost/assets/${path}`)
        expect({ path, to, served: modules.has(pathname.slice('/assets/'.length)) }).toEqual({ path, to, served: true })
      }
    }
  })

  test('are JavaScript, and nothing else is among them', () => {
    for (const [path, { type }] of modules) {
      expect(path).toMatch(/^(?:app|shared|lit-html)\/[\w/-]+\.[jt]s$/)
      expect(type).toBe('text/javascript; charset=utf-8')
    }
    expect(modules.get('app/route.ts')?.text).not.toContain(': string')
  })

  test('are one for an executable, which imports nothing', async () => {
    const bundled = await bundleForBrowsers(`server/web/${ENTRY}`)
    expect(bundled).toContain('/overview')
    expect(bundled).not.toMatch(/^import|\bimport\s*[("']/m)
  })
})
