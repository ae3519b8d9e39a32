import type { Router } from '@koa/router'
import { answerHeaders } from './answer-headers.ts'
import type { ApiDocument } from './api-document.ts'
import { describeOperation } from './describe-operation.ts'
import { schemaOf, schemasOfMessages } from './json-schema.ts'
import { topics } from './operations.ts'

/** GET /openapi.json: the API's description, made from the schemas that validate it. */
export function openapiRoutes(router: Router, { document }: { document: ApiDocument }): void {
  router.get('/openapi.json', (ctx) => {
    ctx.body = document
  })
}

/** Paragraphs. */
const about = [
  'Fetch a file from a machine that nobody can reach.',
  'Refusals are problems (RFC 9457) with a stable code. HEAD is answered wherever GET is. Whatever is called may have a ' +
    '`traceparent`, which the log of the server follows (W3C Trace Context).',
  'Where the server runs without ADMIN_TOKEN, for its own machine, nobody needs a token.',
].join('\n\n')

/** An OpenAPI 3.1 document. */
export function describeApi(version: string): ApiDocument {
  const paths: ApiDocument['paths'] = {}
  for (const { name: tag, operations } of topics) {
    for (const [route, operation] of Object.entries(operations)) {
      const [method = '', path = ''] = route.split(' ')
      paths[path] = { ...paths[path], [method.toLowerCase()]: describeOperation(path, tag, operation) }
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Backhaul', version, description: about },
    tags: topics.map(({ name, description }) => ({ name, description })),
    paths,
    components: { schemas: schemasOfMessages(), headers: describeHeaders(), securitySchemes },
  }
}

function describeHeaders(): ApiDocument['components']['headers'] {
  const described = Object.entries(answerHeaders).map(([name, header]) => {
    const { description = '', ...schema } = schemaOf(header)
    return [name, { description, schema }]
  })
  return Object.fromEntries(described)
}

const securitySchemes: ApiDocument['components']['securitySchemes'] = {
  operatorToken: {
    type: 'http',
    scheme: 'bearer',
    description:
      'A token of an operator (POST /tokens), or ADMIN_TOKEN. A reader looks, an operator asks for files, too, an admin may everything; content is a right of its own.',
  },
  agentToken: {
    type: 'http',
    scheme: 'bearer',
    description:
      "What POST /sessions answered as `token`, for the calls of that session; or a client's bearer credential.",
  },
  agentProof: {
    type: 'http',
    scheme: 'Backhaul-Key',
    description: "A signature by the client's key over the nonce of a 401; docs/PROTOCOL.md says how.",
  },
  enrolmentToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'What an admin made (POST /enrolments) for agents to enrol with.',
  },
}
