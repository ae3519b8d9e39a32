import { html, nothing, type TemplateResult } from 'lit-html'
import type { Client } from '../../../../shared/operator.ts'
import { call } from '../api.ts'
import { fact, labelsText, presence } from '../parts.ts'
import { may } from '../session.ts'
import { moment, number, said } from '../text.ts'
import { WHO_IS_THERE, type Page, type View } from '../view.ts'
import { createAskForm } from './ask.ts'
import { createRows } from './downloads.ts'

/** One client: what it is, and its downloads. */
export function clientView(page: Page, id: string, query: URLSearchParams): View {
  const rows = createRows(query, { client: id })
  const ask = may(page.session, 'operator') ? createAskForm(page, id) : undefined
  let client: Client | undefined
  return {
    title: `Client ${id}`,
    section: 'clients',
    async load() {
      client = await call<Client>(`/clients/${encodeURIComponent(id)}`)
      await rows.load()
    },
    show: () =>
      client
        ? html`<p>${presence(client)}</p>
            ${facts(client)} ${ask?.show()}
            <h2>Downloads</h2>
            ${rows.show(`Downloads of ${id}`, `/clients/${encodeURIComponent(id)}`)}`
        : nothing,
    concerns: ({ clientId }) => clientId === id,
    again: () => rows.again() ?? WHO_IS_THERE,
  }
}

function facts({
  lastSeen,
  connectedAt,
  version,
  outdated,
  agent,
  labels,
  shared,
  conflicts,
  update,
}: Client): TemplateResult {
  return html`<dl class="facts">
    ${fact('Last seen', moment(lastSeen))} ${fact('Connected', moment(connectedAt))}
    ${fact('Version', version === null ? null : html`${said(version)}${outdated ? ' (outdated)' : nothing}`)}
    ${fact('Update', update === null ? null : html`${said(update.version)}: ${update.state}`)}
    ${fact('Platform', agent === null ? null : said(agent.platform))}
    ${fact('Host', agent === null ? null : said(agent.hostname))}
    ${fact('Labels', Object.keys(labels).length === 0 ? null : labelsText(labels))}
    ${fact(
      'Shares',
      shared.length === 0
        ? null
        : html`<ul class="paths">
            ${shared.map((path) => html`<li>${said(path)}</li>`)}
          </ul>`,
    )}
    ${fact(
      'Others under its id',
      conflicts.count === 0
        ? null
        : html`${number(conflicts.count)}, last ${moment(conflicts.lastAt)} from ${said(conflicts.lastHostname ?? '')}`,
    )}
  </dl>`
}
