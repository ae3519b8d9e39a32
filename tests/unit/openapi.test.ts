import { describe, expect, test } from '@jest/globals'
import { describeApi } from '../../server/http/openapi.ts'
import { operations } from '../../server/http/operations.ts'
import { createRouter, type RoutesDeps } from '../../server/http/routes.ts'

describe('the description of the API', () => {
  test('names every route of the router, and no other', () => {
    // Routes are only registered here, never called: what they depend on is not touched.
    const untouched: unknown = { domain: {}, access: {}, present: {}, metrics: {}, releases: {} }
    const router = createRouter(untouched as RoutesDeps)
    const routes = router.stack.flatMap(({ methods, path }) =>
      methods
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${String(path).replace(/[:*](\w+)/g, '{$1}')}`),
    )
    expect(Object.keys(operations).toSorted()).toEqual(routes.toSorted())
  })

  test('refers only to schemas that it holds', () => {
    const document = describeApi('1.2.3')
    const text = JSON.stringify(document)
    const { schemas } = document['components'] as { schemas: Record<string, unknown> }
    const referred = [...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name ?? '')
    expect(referred.length).toBeGreaterThan(20)
    for (const name of referred) expect(Object.keys(schemas)).toContain(name)
    expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } })
  })
})
