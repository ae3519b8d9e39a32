import { beforeAll, describe, expect, test } from '@jest/globals'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { ApiDocument } from '../../server/http/api-document.ts'
import { describeApi } from '../../server/http/openapi.ts'
import { operations } from '../../server/http/operations.ts'
import { createRouter, type RoutesDeps } from '../../server/http/routes.ts'
import { createApiCheck } from '../helpers/api-description.ts'

describe('the description of the API', () => {
  let document: ApiDocument

  beforeAll(() => {
    document = describeApi('1.2.3')
  })

  test('names every route of the router, and no other', () => {
    // Routes are only registered here, never called: what they depend on is not touched.
    const untouched: unknown = { domain: {}, access: {}, present: {}, metrics: {}, releases: {}, version: '1.2.3' }
    const router = createRouter(untouched as RoutesDeps)
    const routes = router.stack.flatMap(({ methods, path }) =>
      methods
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${String(path).replace(/[:*](\w+)/g, '{$1}')}`),
    )
    expect(Object.keys(operations).toSorted()).toEqual(routes.toSorted())
  })

  test('is an OpenAPI 3.1 document, whose references lead somewhere', async () => {
    const validator = new Validator()
    expect(await validator.validate(structuredClone(document) as unknown as Record<string, unknown>)).toEqual({
      valid: true,
    })
    expect(validator.version).toBe('3.1')
    expect(document.info.version).toBe('1.2.3')
    const text = JSON.stringify(document)
    const { schemas, headers } = document.components
    const referred = [...text.matchAll(/#\/components\/(?:schemas|headers)\/([\w-]+)/g)].map(([, name]) => name)
    expect(referred.length).toBeGreaterThan(100)
    for (const name of referred) expect(Object.keys({ ...schemas, ...headers })).toContain(name)
  })

  test('gives each operation a name of its own, and each schema an operation', () => {
    const described = Object.values(document.paths).flatMap(Object.values)
    const ids = described.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const text = JSON.stringify(document)
    for (const name of Object.keys(document.components.schemas)) expect(text).toContain(`/schemas/${name}"`)
  })

  test('says who may call, what is optional, and which codes a refusal has', () => {
    expect(document.paths['/downloads']?.['post']).toMatchObject({
      operationId: 'createDownload',
      tags: ['Downloads'],
      security: [{ operatorToken: ['operator'] }],
      requestBody: { required: true },
      responses: { 202: { headers: { Location: {} } }, 422: { description: 'idempotency-mismatch' } },
    })
    const polled = document.paths['/jobs']?.['get']?.parameters
    expect(polled).toMatchObject([
      { name: 'client', in: 'query', required: true, schema: { pattern: expect.any(String) } },
      { name: 'seen', in: 'query', required: false, schema: { type: 'integer', minimum: 0 } },
      { name: 'Prefer', in: 'header', required: false },
      { name: 'Agent-Session', in: 'header', required: false },
    ])
    expect(document.paths['/health']?.['get']?.security).toEqual([])
  })
})

describe('what answers are held against', () => {
  const check = createApiCheck(describeApi('1.2.3'))
  const answer = (path: string, status: number, body: object, more: Record<string, string> = {}) => ({
    method: 'GET',
    url: new URL(path, 'http://server.example.com'),
    status,
    headers: new Headers({
      'content-type': status < 400 ? 'application/json' : 'application/problem+json; charset=utf-8',
      ...more,
    }),
    text: JSON.stringify(body),
  })
  const problem = (code: string) => ({ type: 'x', title: 'x', status: 404, code, detail: 'x' })
  const health = { status: 'ok', timestamp: 'now' }

  test('passes what is described', () => {
    expect(check.mismatch(answer('/health', 200, health))).toBeUndefined()
    expect(check.mismatch(answer('/clients/a', 404, problem('client-unknown')))).toBeUndefined()
    expect(check.mismatch(answer('/nothing', 404, problem('route-unknown')))).toBeUndefined()
    expect(check.mismatch(answer('/audit?limit=1', 200, { entries: [], next: null }))).toBeUndefined()
  })

  test.each([
    ['a status', answer('/health', 201, health), 'GET /health 201: the status is not described'],
    ['a media type', answer('/health', 200, health, { 'content-type': 'text/plain' }), 'media type text/plain'],
    ['a field that is missing', answer('/health', 200, { status: 'ok' }), "required property 'timestamp'"],
    ['a field too many', answer('/health', 200, { ...health, secret: 1 }), 'must NOT have additional properties'],
    ['a code', answer('/clients/a', 404, problem('download-unknown')), 'body/code must be equal'],
    ['a code of nobody', answer('/nothing', 404, problem('made-up')), 'body/code must be equal'],
    ['an operation', answer('/nothing', 200, {}), 'the operation is not described'],
    ['a header', answer('/health', 200, health, { ETag: '"1"' }), 'the header ETag is not described'],
    ['a parameter', answer('/health?verbose=1', 200, health), 'the parameter verbose is not described'],
  ])('finds %s that is not', (_what, answered, said) => {
    expect(check.mismatch(answered)).toContain(said)
  })
})
