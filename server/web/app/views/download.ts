import { html, nothing, type TemplateResult } from 'lit-html'
import type { Event, EventList } from '../../../../shared/events.ts'
import type { Download, DownloadMap } from '../../../../shared/operator.ts'
import type { Status } from '../../../../shared/protocol.ts'
import { call } from '../api.ts'
import { rangesMap } from '../map.ts'
import { fact, pace, progressBar, statusMark } from '../parts.ts'
import { createRates } from '../rates.ts'
import { clientLink } from '../route.ts'
import { may } from '../session.ts'
import { bytes, moment, number, pathText, said, visible } from '../text.ts'
import { WHILE_MOVING, type Page, type View } from '../view.ts'
import { eventWords, moving } from '../words.ts'

/** Events of a story that are shown; few have more. */
const TOLD = 1_000
/** What is verified is nearly done. */
const cancellable: readonly Status[] = ['queued', 'transferring']

/** One download: what it is, what happened to it, where its bytes are, and what can be done. */
export function downloadView(page: Page, id: string): View {
  const at = `/downloads/${encodeURIComponent(id)}`
  const rates = createRates()
  let download: Download | undefined
  let story: Event[] = []
  let map: DownloadMap | undefined
  let stale = true

  const load = async (): Promise<void> => {
    // Whoever reads the story after the download cannot miss how it came to be as it is.
    download = await call<Download>(at)
    rates.look([download], performance.now())
    const mapped = download.size !== null && moving.includes(download.status)
    map = mapped ? await call<DownloadMap>(`${at}/map`) : undefined
    if (!stale) return
    stale = false
    story = (await call<EventList>(`${at}/events?limit=${TOLD}`)).events
  }

  const act = (done: string, method: 'POST' | 'DELETE', path = ''): void =>
    void page.attempt(async () => {
      await call(at + path, { method })
      page.say(done)
      stale = true
      await page.refresh()
    })

  const remove = (): void => {
    // What is removed cannot be had again where the client has changed it.
    if (confirm('Remove the file from the server?')) act('The file was removed.', 'DELETE', '/content')
  }

  const actions = ({ status, filePath, detail }: Download): TemplateResult => {
    const operator = may(page.session, 'operator')
    const kept = status === 'completed' && filePath !== null
    const button = (words: string, run: () => void): TemplateResult =>
      html`<button type="button" @click=${run}>${words}</button>`
    return html`<div class="actions">
      ${kept && page.session.content ? html`<a href="${at}/content" download>Download the file</a>` : nothing}
      ${operator && cancellable.includes(status) ? button('Cancel', () => act('Cancelled.', 'DELETE')) : nothing}
      ${
        operator && (status === 'failed' || status === 'expired')
          ? button('Retry', () => act('Queued again.', 'POST', '/retry'))
          : nothing
      }
      ${operator && kept ? button('Remove the file', remove) : nothing}
      ${detail === null ? nothing : html`<p class="trouble">${said(detail)}</p>`}
    </div>`
  }

  return {
    title: 'Download',
    section: 'downloads',
    load,
    show() {
      if (!download) return nothing
      return html`<p class="file">${pathText(download.path)}</p>
        <p>
          ${statusMark(download.status)}${download.reason === null ? '' : html` (<code>${visible(download.reason)}</code>)`}
          ${progressBar(download)} ${pace(download, rates)}
        </p>
        ${actions(download)} ${map ? section('Received ranges', rangesMap(map)) : nothing}
        ${section('Facts', facts(download))} ${section('Story', storyOf(story))}`
    },
    concerns(event) {
      const mine = event.downloadId === id
      stale ||= mine
      return mine
    },
    again: () => (download?.status === 'transferring' ? WHILE_MOVING : undefined),
  }
}

const section = (title: string, body: unknown): TemplateResult | typeof nothing =>
  body === undefined
    ? nothing
    : html`<h2>${title}</h2>
        ${body}`

function facts(download: Download): TemplateResult {
  const { clientId, fileName, size, sha256, bytesResent, askedBy, sourcePath } = download
  return html`<dl class="facts">
    ${fact('Client', html`<a href=${clientLink(clientId)}>${clientId}</a>`)}
    ${fact('File name', fileName === null ? null : said(fileName))}
    ${fact("Path at the client's site", sourcePath === null ? null : said(sourcePath))}
    ${fact('Size', size === null ? null : `${bytes(size)} (${number(size)} bytes)`)}
    ${fact('SHA-256', sha256 === null ? null : html`<code class="sha256">${sha256}</code>`)}
    ${fact('Changed at its site', moment(download.sourceModifiedAt))}
    ${fact('Sent again', bytesResent === 0 ? null : bytes(bytesResent))}
    ${fact('Attempt', download.attempt === 0 ? null : number(download.attempt))}
    ${fact('Note', download.note === null ? null : said(download.note))}
    ${fact('Asked for by', askedBy === null ? null : said(askedBy))} ${fact('Asked for', moment(download.createdAt))}
    ${fact('Begun', moment(download.startedAt))} ${fact('Ended', moment(download.completedAt))}
    ${fact('Expires', moving.includes(download.status) ? moment(download.expiresAt) : null)}
    ${fact('Priority', number(download.priority))} ${fact('Policy', html`<code>${download.policy}</code>`)}
    ${fact('Id', html`<code>${download.id}</code>`)}
  </dl>`
}

function storyOf(story: readonly Event[]): TemplateResult {
  if (story.length === 0) return html`<p>Nothing is kept of what happened to it.</p>`
  return html`<ol class="story">
    ${story.map(
      ({ at, type, reason, attempt, bytesReceived, bytesResent }) =>
        html`<li>
          ${moment(at)} ${eventWords[type] ?? type}${reason === null ? '' : html` (<code>${visible(reason)}</code>)`}
          <small
            >${[
              attempt ? `attempt ${attempt}` : '',
              bytesReceived ? `${bytes(bytesReceived)} there` : '',
              bytesResent ? `${bytes(bytesResent)} sent again` : '',
            ]
              .filter(Boolean)
              .join(', ')}</small
          >
        </li>`,
    )}
  </ol>`
}
