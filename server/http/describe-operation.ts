import type { z } from 'zod'
import type { ErrorCode } from '../../shared/errors.ts'
import { clientIdSchema } from '../../shared/protocol.ts'
import type { AnswerHeader } from './answer-headers.ts'
import type { ApiContent, ApiOperation, ApiParameter, ApiResponse, JsonSchema } from './api-document.ts'
import { refTo, schemaOf } from './json-schema.ts'
import type { Access, Answer, Content, Operation } from './operation.ts'
import { statusOf } from './problem.ts'
import { requests } from './schemas.ts'

/** One operation of the API's description. */
export function describeOperation(path: string, tag: string, operation: Operation): ApiOperation {
  const { id, summary, request, answers, query = {}, headers = {} } = operation
  return {
    operationId: id,
    summary,
    tags: [tag],
    security: securityOf(operation),
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => pathParameter(name, operation)),
      ...Object.entries(query).map(([name, schema]) => parameter(name, 'query', schema)),
      ...Object.entries(headers).map(([name, schema]) => parameter(name, 'header', schema)),
    ],
    ...(request === undefined
      ? {}
      : { requestBody: { required: isRequired(request), content: contentOf(request) ?? {} } }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, success(answer)])),
      ...refusals(operation),
    },
  }
}

function pathParameter(name: string, { of }: Operation): ApiParameter {
  const schema: JsonSchema = { type: 'string' }
  if (name !== 'id') return { name, in: 'path', required: true, schema }
  if (of === 'client') return { name, in: 'path', required: true, schema: schemaOf(clientIdSchema) }
  return { name, in: 'path', required: true, schema: of === 'download' ? { ...schema, format: 'uuid' } : schema }
}

function parameter(name: string, place: 'query' | 'header', given: z.ZodType): ApiParameter {
  const { description, explode, ...schema } = schemaOf(given) as JsonSchema & { explode?: boolean }
  return {
    name,
    in: place,
    required: !given.safeParse(undefined).success,
    ...(description === undefined ? {} : { description }),
    ...(explode === undefined ? {} : { explode }),
    schema,
  }
}

/** No body at all counts as `{}`. */
function isRequired(request: NonNullable<Operation['request']>): boolean {
  const schema = (requests as Record<string, z.ZodType>)[request]
  return !schema?.safeParse({}).success
}

/** The roles are those that a token must have one of (OpenAPI 3.1, Security Requirement Object). */
function securityOf({ id, access }: Operation): Record<string, string[]>[] {
  const needs: Record<Access, Record<string, string[]>[]> = {
    public: [],
    agent: id === 'beginSession' ? [{ agentProof: [] }, { agentToken: [] }] : [{ agentToken: [] }],
    enrol: [{ enrolmentToken: [] }, { agentProof: [] }],
    reader: [{ operatorToken: ['reader'] }],
    operator: [{ operatorToken: ['operator'] }],
    admin: [{ operatorToken: ['admin'] }],
    content: [{ operatorToken: ['reader', 'content'] }],
    'ask-content': [{ operatorToken: ['operator', 'content'] }],
  }
  return needs[access]
}

function success(answer: Content | Answer): ApiResponse {
  const { content, headers } = typeof answer === 'string' ? { content: answer, headers: [] } : answer
  const body = contentOf(content)
  return {
    description: descriptionOf(content),
    ...(headers.length === 0 ? {} : { headers: headerRefs(headers) }),
    ...(body === undefined ? {} : { content: body }),
  }
}

const kinds: Record<string, string> = {
  bytes: 'The bytes',
  text: 'Text',
  events: 'Server-sent events: the data of each is an Event',
  html: 'A page',
  asset: 'A style sheet, a script or a picture',
  json: 'JSON',
  nothing: 'No content',
}

/** Of texts. */
const mediaTypes: Record<string, readonly string[]> = {
  text: ['text/plain'],
  events: ['text/event-stream'],
  html: ['text/html'],
  asset: ['text/css', 'text/javascript', 'image/svg+xml'],
}

function descriptionOf(content: Answer['content']): string {
  return typeof content === 'string' ? (kinds[content] ?? content) : content.join(' or ')
}

function contentOf(content: Answer['content']): ApiContent | undefined {
  if (typeof content !== 'string') return { 'application/json': { schema: { anyOf: content.map(refTo) } } }
  if (content === 'nothing') return undefined
  const types = mediaTypes[content]
  if (types) return Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' } }]))
  if (content === 'bytes') return { 'application/octet-stream': {} }
  return { 'application/json': { schema: content === 'json' ? { type: 'object' } : refTo(content) } }
}

const headerRefs = (names: readonly AnswerHeader[]): Record<string, { $ref: string }> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))

/** Every refusal by its status, with the codes that it can have. */
function refusals(operation: Operation): Record<string, ApiResponse> {
  const byStatus = Object.groupBy(new Set(codesOf(operation)), statusOf)
  const described = Object.entries(byStatus).map(([status, codes = []]) => [status, refusal(Number(status), codes)])
  return Object.fromEntries(described)
}

function refusal(status: number, codes: ErrorCode[]): ApiResponse {
  const headers = refusalHeaders[status] ?? []
  return {
    description: codes.toSorted().join(', '),
    ...(headers.length === 0 ? {} : { headers: headerRefs(headers) }),
    content: {
      'application/problem+json': {
        schema: { allOf: [refTo('Problem'), { properties: { code: { enum: codes.toSorted() } } }] },
      },
    },
  }
}

const refusalHeaders: Record<number, readonly AnswerHeader[]> = {
  401: ['WWW-Authenticate'],
  413: ['Upload-Limit'],
  416: ['Content-Range'],
  429: ['Retry-After'],
  503: ['Retry-After'],
  504: ['Retry-After'],
  507: ['Retry-After'],
}

function codesOf({ access, probe, of, request, query, problems = [] }: Operation): ErrorCode[] {
  const codes: ErrorCode[] = ['internal', ...problems]
  // Whatever is called, who calls is looked up, and refusals are written down.
  if (!probe) codes.push('not-permitted', 'too-many-requests', 'store-busy', 'store-full')
  if (access !== 'public') codes.push('unauthenticated')
  if (access === 'agent') codes.push('session-superseded')
  if (query !== undefined || of === 'client') codes.push('invalid')
  if (request !== undefined && request !== 'bytes')
    codes.push('invalid', 'too-large', 'unsupported-media-type', 'body-timeout')
  if (of !== undefined) codes.push(`${of}-unknown`)
  return codes
}
