import type { Router } from '@koa/router'
import { z } from 'zod'
import { operations, type Operation } from './operations.ts'
import { schemas } from './schemas.ts'

type Json = Record<string, unknown>

/** GET /openapi.json: the API's description, made from the schemas that validate it. */
export function openapiRoutes(router: Router, { version }: { version: string }): void {
  const document = describeApi(version)
  router.get('/openapi.json', (ctx) => {
    ctx.body = document
  })
}

/** An OpenAPI 3.1 document. */
export function describeApi(version: string): Json {
  const paths: Record<string, Json> = {}
  for (const [route, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = route.split(' ')
    paths[path] = { ...paths[path], [method.toLowerCase()]: describeOperation(path, operation) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Backhaul', version, description: 'Fetch a file from a machine that nobody can reach.' },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, jsonSchema(schema)])),
    },
  }
}

function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return rest
}

function describeOperation(path: string, { summary, request, answers, query = [], headers = [] }: Operation): Json {
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => parameter(name ?? '', 'path')),
    ...query.map((name) => parameter(name, 'query')),
    ...headers.map((name) => parameter(name, 'header')),
  ]
  const responses = Object.fromEntries(
    Object.entries(answers).map(([status, kind]) => [status, { description: kind, ...content(kind) }]),
  )
  const problem = { description: 'Problem', content: { 'application/problem+json': { schema: ref('Problem') } } }
  return {
    summary,
    parameters,
    ...(request === undefined ? {} : { requestBody: { required: true, ...content(request) } }),
    responses: { ...responses, default: problem },
  }
}

function parameter(name: string, place: 'path' | 'query' | 'header'): Json {
  return { name, in: place, required: place === 'path', schema: { type: 'string' } }
}

function content(kind: Operation['answers'][number]): Json {
  if (kind === 'nothing') return {}
  if (kind === 'bytes') return { content: { 'application/octet-stream': {} } }
  if (kind === 'text') return { content: { 'text/plain': { schema: { type: 'string' } } } }
  if (kind === 'events') return { content: { 'text/event-stream': { schema: ref('Event') } } }
  return { content: { 'application/json': { schema: kind === 'json' ? { type: 'object' } : ref(kind) } } }
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` }
}
