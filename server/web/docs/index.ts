import type { ApiDocument } from '../../http/api-document.ts'
import { html, type Html, type Part } from '../html.ts'
import { page } from '../page.ts'
import { called, operationHtml, operationsOf } from './operation.ts'
import { schemaHtml } from './schema.ts'
import { code, prose } from './text.ts'

/** The API's description as a page. */
export function docsPage(document: ApiDocument): Html {
  return page({ title: `${document.info.title}: the API`, contents: contentsHtml(document), main: mainHtml(document) })
}

const idOf = (tag: string): string => `topic-${tag.toLowerCase().replaceAll(' ', '-')}`

function contentsHtml(document: ApiDocument): Part {
  const topics = document.tags.map(
    ({ name }) =>
      html` <li>
        <a href="#${idOf(name)}">${name}</a>
        <ul>
          ${operationsOf(document, name).map(
            (described) => html`<li><a href="#${described.operation.operationId}">${called(described)}</a></li>`,
          )}
        </ul>
      </li>`,
  )
  return html`<h2>Contents</h2>
    <ul>
      <li><a href="#who">Who calls</a></li>
      ${topics}
      <li><a href="#schemas">Schemas</a></li>
    </ul>`
}

function mainHtml(document: ApiDocument): Part {
  const { info, tags } = document
  return html` <h1>${info.title}: the API</h1>
    <p>Version ${info.version}. For programs: <a href="/openapi.json">openapi.json</a>.</p>
    ${info.description.split('\n\n').map((paragraph) => html`<p>${prose(paragraph)}</p>`)} ${securityHtml(document)}
    ${tags.map(
      ({ name, description }) =>
        html` <section id="${idOf(name)}" aria-labelledby="${idOf(name)}-is">
          <h2 id="${idOf(name)}-is">${name}</h2>
          <p>${prose(description)}</p>
          ${operationsOf(document, name).map(operationHtml)}
        </section>`,
    )}
    ${schemasHtml(document)}`
}

function securityHtml({ components }: ApiDocument): Html {
  const schemes = Object.entries(components.securitySchemes).map(
    ([name, { scheme, description }]) =>
      html`<dt id="${name}">${code(name)}: ${code(`Authorization: ${scheme === 'bearer' ? 'Bearer' : scheme} …`)}</dt>
        <dd>${prose(description)}</dd>`,
  )
  return html`<section id="who" aria-labelledby="who-is">
    <h2 id="who-is">Who calls</h2>
    <dl>${schemes}</dl>
  </section>`
}

function schemasHtml({ components }: ApiDocument): Html {
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      html` <section id="schema-${name}" aria-labelledby="schema-${name}-is">
        <h3 id="schema-${name}-is"><a href="#schema-${name}">${name}</a></h3>
        ${schema.description === undefined ? '' : html`<p>${prose(schema.description)}</p>`}
        <div>${schemaHtml(schema)}</div>
      </section>`,
  )
  return html`<section id="schemas" aria-labelledby="schemas-are">
    <h2 id="schemas-are">Schemas</h2>
    ${schemas}
  </section>`
}
