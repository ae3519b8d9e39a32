import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { Client, ClientList, DownloadList } from '../../../../shared/operator.ts'
import { call, withQuery } from '../api.ts'
import { labelsText, pages, presence, table, tableRow, typed } from '../parts.ts'
import { clientLink, linkTo } from '../route.ts'
import { moment, number, said, visible } from '../text.ts'
import { WHO_IS_THERE, type View } from '../view.ts'

const ROWS = 50
/** Running transfers that are counted: of more than these it is not told whose they are. */
const COUNTED = 200
/** Of what a client shares, as many paths as a row is worth; its own page has all. */
const SHARED = 2
const columns = ['Client', 'Status', 'Last seen', 'Version', 'Labels', 'Shares', 'Running'] as const
const shown = { '': 'Online', offline: 'Offline', all: 'All' }

/** The clients, by their ids. */
export function clientsView(query: URLSearchParams): View {
  let list: ClientList | undefined
  let running = new Map<string, number>()
  const wanted = { status: query.get('status'), search: query.get('search') }

  return {
    title: 'Clients',
    section: 'clients',
    async load() {
      const transferring = call<DownloadList>(withQuery('/downloads', { status: 'transferring', limit: COUNTED }))
      const found = call<ClientList>(withQuery('/clients', { ...wanted, cursor: query.get('cursor'), limit: ROWS }))
      const [{ downloads }, clients] = await Promise.all([transferring, found])
      list = clients
      running = new Map()
      for (const { clientId } of downloads) running.set(clientId, (running.get(clientId) ?? 0) + 1)
    },
    show() {
      const next = list?.next ? linkTo('/clients', { ...wanted, cursor: list.next }) : null
      const first = query.has('cursor') ? linkTo('/clients', wanted) : null
      const rows = repeat(
        list?.clients ?? [],
        ({ id }) => id,
        (client) => row(client, running.get(client.id) ?? 0),
      )
      return html`${searchForm(query)}
      ${list?.clients.length === 0 ? html`<p>There are none.</p>` : table('Clients', columns, rows)}
      ${pages({ first, next })}`
    },
    concerns: ({ type }) => type === 'client.connected',
    again: () => WHO_IS_THERE,
  }
}

function row(client: Client, running: number): TemplateResult {
  const { id, lastSeen, version, outdated, labels, shared } = client
  return tableRow(columns, [
    html`<a href=${clientLink(id)}>${id}</a>`,
    presence(client),
    moment(lastSeen),
    version === null ? nothing : html`${said(version)}${outdated ? ' (outdated)' : nothing}`,
    labelsText(labels),
    shared.length === 0 ? nothing : sharedText(shared),
    running === 0 ? nothing : number(running),
  ])
}

const sharedText = (shared: Client['shared']): TemplateResult =>
  html`${shared.slice(0, SHARED).map((path) => html`<bdi class="path">${visible(path)}</bdi> `)}
  ${shared.length > SHARED ? `and ${number(shared.length - SHARED)} more` : nothing}`

function searchForm(query: URLSearchParams): TemplateResult {
  const submitted = (event: SubmitEvent): void => {
    event.preventDefault()
    location.hash = linkTo('/clients', typed(event.target as HTMLFormElement))
  }
  const chosen = query.get('status') ?? ''
  return html`<form class="filters" role="search" aria-label="Clients" @submit=${submitted}>
    <label
      >Part of the id
      <input name="search" .value=${query.get('search') ?? ''} maxlength="64" autocomplete="off" spellcheck="false"
    /></label>
    <label>
      Status
      <select name="status">
        ${Object.entries(shown).map(
          ([value, words]) => html`<option value=${value} ?selected=${value === chosen}>${words}</option>`,
        )}
      </select>
    </label>
    <button>Search</button>
  </form>`
}
