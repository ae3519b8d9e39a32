import { html, nothing, type TemplateResult } from 'lit-html'
import type { AuditList } from '../../../../shared/access.ts'
import { call, withQuery } from '../api.ts'
import { pages, table, tableRow, typed } from '../parts.ts'
import { clientLink, downloadLink, linkTo } from '../route.ts'
import { moment, said } from '../text.ts'
import type { View } from '../view.ts'

const ROWS = 50
const columns = ['When', 'Who', 'From', 'What', 'Client', 'Path', 'Answer'] as const

/** What operators did and fetched, and every refusal; newest first. */
export function auditView(query: URLSearchParams): View {
  let list: AuditList | undefined
  const wanted = { actor: query.get('actor'), client: query.get('client') }
  return {
    title: 'Audit',
    section: 'audit',
    async load() {
      list = await call<AuditList>(withQuery('/audit', { ...wanted, cursor: query.get('cursor'), limit: ROWS }))
    },
    show() {
      const next = list?.next ? linkTo('/audit', { ...wanted, cursor: list.next }) : null
      const first = query.has('cursor') ? linkTo('/audit', wanted) : null
      const { entries = [] } = list ?? {}
      return html`${filterForm(query)}
      ${entries.length === 0 ? html`<p>There is nothing.</p>` : table('Audit', columns, entries.map(row))}
      ${pages({ first, next })}`
    },
    concerns: () => false,
    again: () => undefined,
  }
}

function row({
  at,
  actor,
  address,
  action,
  clientId,
  path,
  downloadId,
  status,
  code,
}: AuditList['entries'][number]): TemplateResult {
  return tableRow(columns, [
    moment(at),
    said(actor),
    address,
    downloadId === null ? said(action) : html`<a href=${downloadLink(downloadId)}>${said(action)}</a>`,
    clientId === null ? nothing : html`<a href=${clientLink(clientId)}>${said(clientId)}</a>`,
    path === null ? nothing : said(path),
    code === null ? status : `${status} ${code}`,
  ])
}

function filterForm(query: URLSearchParams): TemplateResult {
  const submitted = (event: SubmitEvent): void => {
    event.preventDefault()
    location.hash = linkTo('/audit', typed(event.target as HTMLFormElement))
  }
  return html`<form class="filters" role="search" aria-label="Filters" @submit=${submitted}>
    <label>Who <input name="actor" .value=${query.get('actor') ?? ''} maxlength="200" autocomplete="off" /></label>
    <label>Client <input name="client" .value=${query.get('client') ?? ''} maxlength="64" autocomplete="off" /></label>
    <button>Filter</button> <a href="#/audit">All</a>
  </form>`
}
