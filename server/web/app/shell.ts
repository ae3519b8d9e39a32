import { html, nothing, type TemplateResult } from 'lit-html'
import type { Overview } from '../../../shared/operator.ts'
import { may, type Session } from './session.ts'
import { number, said } from './text.ts'
import type { View } from './view.ts'

/** All that is drawn. */
export interface Shown {
  session: Session | undefined
  overview: Overview | undefined
  connection: Connection
  view: View
  /** Whether it has been loaded, ever. */
  loaded: boolean
  /** Why it could not be. */
  trouble: string | undefined
  message: unknown
  signOut: () => void
}

/** `gone`: no answer comes. `quiet`: answers come, and events do not, yet. */
export type Connection = 'live' | 'quiet' | 'gone'

const connections: Record<Connection, string> = {
  live: 'Live',
  quiet: 'Connecting',
  gone: 'The server does not answer; trying again',
}

/** The whole page. */
export function shell({
  session,
  overview,
  connection,
  view,
  loaded,
  trouble,
  message,
  signOut,
}: Shown): TemplateResult {
  const inside = session?.signedIn === true
  return html`<a class="skip" href="#main" @click=${toMain}>To the text</a>
    <header>
      <a class="brand" href="#/">Backhaul</a>
      ${inside ? navigation(session, view.section) : nothing} ${inside && overview ? counts(overview) : nothing}
      <p class="connection ${connection}" role="status">${connections[connection]}</p>
      ${inside && session.needed ? whoIs(session, signOut) : nothing}
    </header>
    <main id="main" tabindex="-1">
      <p class="message" role="status">${message}</p>
      <h1>${view.title}</h1>
      ${trouble === undefined ? nothing : html`<p class="trouble" role="alert">${trouble}</p>`}
      ${loaded ? view.show() : trouble === undefined ? html`<p>Loading</p>` : nothing}
    </main>`
}

/** The address says which view is shown, and no place in it. */
function toMain(event: Event): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function navigation(session: Session, current: View['section']): TemplateResult {
  const link = (to: string, words: string, section: View['section']): TemplateResult =>
    html`<a href=${to} aria-current=${section === current ? 'page' : nothing}>${words}</a>`
  return html`<nav aria-label="Views">
    ${link('#/', 'Downloads', 'downloads')} ${link('#/clients', 'Clients', 'clients')}
    ${may(session, 'admin') ? link('#/audit', 'Audit', 'audit') : nothing} <a href="/docs">API</a>
  </nav>`
}

function counts({ clients, downloads }: Overview): TemplateResult {
  const told: [string, string, number][] = [
    ['#/clients', 'online', clients.online],
    ['#/clients?status=all', 'known', clients.known],
    ['#/?status=queued', 'queued', downloads.queued],
    ['#/?status=transferring', 'transferring', downloads.transferring],
  ]
  return html`<ul class="counts" aria-label="Now">
    ${told.map(
      ([link, word, count]) =>
        html`<li>
          <a href=${link}><b>${number(count)}</b> ${word}</a>
        </li>`,
    )}
  </ul>`
}

const whoIs = ({ name, role }: Session, signOut: () => void): TemplateResult =>
  html`<p class="who">
    ${name === null ? nothing : said(name)} (${role}) <button type="button" @click=${signOut}>Sign out</button>
  </p>`
