import type { ApiDocument, ApiContent, ApiOperation, ApiParameter, ApiResponse } from '../../http/api-document.ts'
import { html, joined, type Html, type Part } from '../html.ts'
import { inWords, schemaHtml } from './schema.ts'
import { code, prose } from './text.ts'

export interface Described {
  method: string
  path: string
  operation: ApiOperation
}

/** Every operation of a topic, in the order of the document. */
export function operationsOf({ paths }: ApiDocument, tag: string): Described[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(tag))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

export const called = ({ method, path }: Described): Html => html`<code class="call"><b>${method}</b> ${path}</code>`

/** One operation: what it does, who may call it, what goes in and what comes out. */
export function operationHtml(described: Described): Html {
  const { operationId, summary, parameters, requestBody, responses } = described.operation
  return html` <section id="${operationId}" aria-labelledby="${operationId}-is">
    <h3 id="${operationId}-is"><a href="#${operationId}">${called(described)}</a></h3>
    <p>${prose(summary)}.</p>
    <p>For ${callersOf(described.operation)}.</p>
    ${
      parameters.length === 0
        ? ''
        : html`<h4>Parameters</h4>
            <ul>
              ${parameters.map(parameterHtml)}
            </ul>`
    }
    ${
      requestBody === undefined
        ? ''
        : html`<h4>Body</h4>
            <ul>
              ${contentHtml(requestBody.content)}
            </ul>`
    }
    <h4>Answers</h4>
    <dl>${Object.entries(responses).map(([status, response]) => responseHtml(status, response))}</dl>
  </section>`
}

const schemes: Record<string, string> = {
  agentToken: 'agents, in their session',
  agentProof: 'agents, with a proof',
  enrolmentToken: 'who has an enrolment token',
}

function callersOf({ security }: ApiOperation): Part {
  if (security.length === 0) return 'everybody'
  return security
    .flatMap(Object.entries<string[]>)
    .map(([scheme, roles], at) => [
      at === 0 ? '' : '; ',
      scheme === 'operatorToken' ? operatorsOf(roles) : html`<a href="#${scheme}">${schemes[scheme] ?? scheme}</a>`,
    ])
}

function operatorsOf([role = '', content]: string[]): Html {
  const right = content === undefined ? '' : ' that may download content'
  return html`a <a href="#operatorToken">token</a> with the role ${code(role)}${right}`
}

function parameterHtml({ name, in: place, required, description, schema }: ApiParameter): Html {
  const said = description === undefined ? '' : html`<br />${prose(description)}`
  return html`<li>${code(name)} <i>${place}${required ? '' : ', optional'}</i> ${inWords(schema)}${said}</li>`
}

function contentHtml(content: ApiContent): Part {
  return Object.entries(content).map(
    ([type, { schema }]) => html`<li>${code(type)}${schema === undefined ? '' : html` ${schemaHtml(schema)}`}</li>`,
  )
}

function responseHtml(status: string, { description, headers = {}, content = {} }: ApiResponse): Html {
  const names = Object.keys(headers)
  const told = names.length === 0 ? '' : html`<br />with ${joined(names.map(code), ', ')}`
  const problem = content['application/problem+json']
  // Its codes are told: what else it is made of is the same everywhere.
  if (problem)
    return html`<dt>${status} <a href="#schema-Problem">Problem</a></dt>
      <dd>${joined(description.split(', ').map(code), ', ')}${told}</dd>`
  const types = Object.entries(content).map(
    ([type, { schema }]) => html`${code(type)}${schema?.type ? '' : schema ? html` ${inWords(schema)}` : ''}`,
  )
  return html`<dt>${status}</dt>
    <dd>${types.length === 0 ? description : joined(types, ', ')}${told}</dd>`
}
