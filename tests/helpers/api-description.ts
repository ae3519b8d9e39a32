import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ApiDocument, ApiOperation, JsonSchema } from '../../server/http/api-document.ts'

/** An answer of a server, as far as its description goes. */
export interface Answered {
  method: string
  url: URL
  status: number
  headers: Headers
  /** Where it is JSON, and was read. */
  text?: string | undefined
}

/** Holds answers against the description of the API. */
export interface ApiCheck {
  /** What is not as described, in a line; undefined when all is. */
  mismatch(answered: Answered): string | undefined
}

export function createApiCheck(given: ApiDocument): ApiCheck {
  const document = closed(given)
  // Keywords of OpenAPI are none of JSON Schema.
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(document, 'api')
  const paths = Object.keys(document.paths).map((path) => ({ path, pattern: patternOf(path) }))

  /** @param place keys that lead to a schema */
  const wrongIn = (text: string, place: string[]): string | undefined => {
    const pointer = place.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    const validate = ajv.getSchema(`api#/${pointer}`)
    if (!validate) throw new Error(`there is no schema at ${pointer}`)
    return validate(JSON.parse(text)) ? undefined : ajv.errorsText(validate.errors, { dataVar: 'body' })
  }

  const wrongIs = (path: string, answered: Answered): string | undefined => {
    const { status, headers, text, url } = answered
    const method = answered.method === 'HEAD' ? 'get' : answered.method.toLowerCase()
    const operation = document.paths[path]?.[method]
    if (!operation) return wrongNowhere(answered)
    const response = operation.responses[String(status)]
    if (!response) return `the status is not described${text === undefined ? '' : `: ${text.trim()}`}`
    const unknown = undescribed(document, operation, answered)
    if (unknown !== undefined) return unknown
    if (response.content === undefined) return undefined
    const type = (headers.get('content-type') ?? '').split(';', 1)[0]!
    if (!(type in response.content)) return `the media type ${type} is not described`
    if (text === undefined || answered.method === 'HEAD' || url.pathname === '/openapi.json') return undefined
    return wrongIn(text, ['paths', path, method, 'responses', String(status), 'content', type, 'schema'])
  }

  /** Where there is no operation, there are problems. */
  const wrongNowhere = ({ status, headers, text }: Answered): string | undefined => {
    if (status < 400 || !headers.get('content-type')?.startsWith('application/problem+json'))
      return 'the operation is not described'
    return text && wrongIn(text, ['components', 'schemas', 'Problem'])
  }

  return {
    mismatch(answered) {
      const { method, url, status } = answered
      const path = paths.find(({ pattern }) => pattern.test(url.pathname))?.path
      const wrong = path === undefined ? wrongNowhere(answered) : wrongIs(path, answered)
      return wrong && `${method} ${path ?? url.pathname} ${status}: ${wrong}`
    },
  }
}

/** What a success has besides what is described. */
function undescribed(document: ApiDocument, operation: ApiOperation, answered: Answered): string | undefined {
  const { status, headers, url } = answered
  if (status >= 400) return undefined
  const described = operation.responses[String(status)]?.headers ?? {}
  const header = Object.keys(document.components.headers).find((name) => headers.has(name) && !(name in described))
  if (header !== undefined) return `the header ${header} is not described`
  const parameters = operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
  const query = [...url.searchParams.keys()].find((name) => !parameters.includes(name))
  return query && `the parameter ${query} is not described`
}

/** As the router has it: a stroke at the end and the case of letters are of no matter. */
function patternOf(path: string): RegExp {
  const pattern = path
    .replaceAll('.', '\\.')
    .replaceAll('{path}', '.+')
    .replaceAll(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${pattern}/?$`, 'i')
}

/** Programs take it that there may be more than is described; a test takes nothing that is not. */
function closed(document: ApiDocument): ApiDocument {
  const schemas = Object.entries(document.components.schemas).map(([name, schema]) => [name, closedSchema(schema)])
  return { ...document, components: { ...document.components, schemas: Object.fromEntries(schemas) } }
}

function closedSchema(schema: JsonSchema): JsonSchema {
  const { properties, items, anyOf } = schema
  return {
    ...(properties === undefined ? {} : { additionalProperties: false }),
    ...schema,
    ...(properties === undefined ? {} : { properties: mapped(properties) }),
    ...(items === undefined ? {} : { items: closedSchema(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(closedSchema) }),
  }
}

const mapped = (properties: Record<string, JsonSchema>): Record<string, JsonSchema> =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, closedSchema(schema)]))
