import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { Download, DownloadList } from '../../../../shared/operator.ts'
import { call, withQuery } from '../api.ts'
import { pace, pages, progressBar, statusMark, table, tableRow, typed } from '../parts.ts'
import { createRates, type Rates } from '../rates.ts'
import { clientLink, downloadLink, linkTo } from '../route.ts'
import { may } from '../session.ts'
import { moment, pathText, visible } from '../text.ts'
import { WHILE_MOVING, type Page, type View } from '../view.ts'
import { moving, statusWords } from '../words.ts'
import { createAskForm } from './ask.ts'

const ROWS = 50
const columns = ['File', 'Client', 'Status', 'Received', 'Pace', 'Asked for'] as const
const filters = ['client', 'status', 'note', 'label', 'batch'] as const

/** The downloads, newest first. */
export function downloadsView(page: Page, query: URLSearchParams): View {
  const rows = createRows(query)
  const ask = may(page.session, 'operator') ? createAskForm(page) : undefined
  return {
    title: 'Downloads',
    section: 'downloads',
    load: rows.load,
    show: () => html`${ask?.show()} ${filterForm(query)} ${rows.show('Downloads', '/')}`,
    concerns: ({ downloadId }) => downloadId !== null,
    again: rows.again,
  }
}

/**
 * Rows of downloads, as a view shows them.
 * @param query the filters, and the page
 */
export function createRows(query: URLSearchParams, fixed: Record<string, string> = {}) {
  const rates = createRates()
  let list: DownloadList | undefined
  const wanted = { ...Object.fromEntries(filters.map((name) => [name, query.get(name)])), ...fixed }

  return {
    async load(): Promise<void> {
      list = await call<DownloadList>(withQuery('/downloads', { ...wanted, cursor: query.get('cursor'), limit: ROWS }))
      rates.look(list.downloads, performance.now())
    },
    again: () => (list?.downloads.some(({ status }) => status === 'transferring') ? WHILE_MOVING : undefined),
    /** @param path of the view, for the links to other pages */
    show(caption: string, path: string): TemplateResult {
      if (!list) return html``
      const next = list.next === null ? null : linkTo(path, { ...wanted, ...hidden(fixed), cursor: list.next })
      const first = query.has('cursor') ? linkTo(path, { ...wanted, ...hidden(fixed) }) : null
      if (list.downloads.length === 0)
        return html`<p>There are none${next ? ' on this page' : ''}.</p>
          ${pages({ first, next })}`
      return html`${table(
        caption,
        columns,
        repeat(
          list.downloads,
          ({ id }) => id,
          (download) => row(download, rates),
        ),
      )}
      ${pages({ first, next })}`
    },
  }
}

/** What is said by the view's own path is not said again. */
const hidden = (fixed: Record<string, string>): Record<string, null> =>
  Object.fromEntries(Object.keys(fixed).map((name) => [name, null]))

function row(download: Download, rates: Rates): TemplateResult {
  const { id, path, note, clientId, createdAt, status } = download
  return tableRow(columns, [
    html`<a href=${downloadLink(id)}>${pathText(path)}</a>${
        note === null ? '' : html`<small><bdi>${visible(note)}</bdi></small>`
      }`,
    html`<a href=${clientLink(clientId)}>${clientId}</a>`,
    statusMark(status),
    progressBar(download),
    pace(download, rates),
    moment(createdAt),
  ])
}

function filterForm(query: URLSearchParams): TemplateResult {
  const submitted = (event: SubmitEvent): void => {
    event.preventDefault()
    location.hash = linkTo('/', typed(event.target as HTMLFormElement))
  }
  const shown = query.get('status') ?? ''
  const batch = query.get('batch')
  const option = (value: string, words: string): TemplateResult =>
    html`<option value=${value} ?selected=${value === shown}>${words}</option>`
  return html`<form class="filters" role="search" aria-label="Filters" @submit=${submitted}>
    <label
      >Client
      <input name="client" .value=${query.get('client') ?? ''} maxlength="64" autocomplete="off" spellcheck="false"
    /></label>
    <label>
      Status
      <select name="status">
        ${option('', 'Any')} ${option(moving.join(','), 'Under way')}
        ${Object.entries(statusWords).map(([value, words]) => option(value, words))}
      </select>
    </label>
    <label>Note <input name="note" .value=${query.get('note') ?? ''} maxlength="1000" autocomplete="off" /></label>
    <label
      >Label
      <input
        name="label"
        .value=${query.get('label') ?? ''}
        placeholder="key=value"
        autocomplete="off"
        spellcheck="false"
    /></label>
    ${batch === null ? nothing : html`<label>Asked for at once <input name="batch" .value=${batch} readonly /></label>`}
    <button>Filter</button> <a href="#/">All</a>
  </form>`
}
