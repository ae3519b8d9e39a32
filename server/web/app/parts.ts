import { html, nothing, type TemplateResult } from 'lit-html'
import { formatSeconds } from '../../../shared/format.ts'
import type { Client, Download } from '../../../shared/operator.ts'
import type { Status } from '../../../shared/protocol.ts'
import type { Rates } from './rates.ts'
import { bytes, visible } from './text.ts'
import { statusWords } from './words.ts'

/** Pieces that several views are made of. */

export const statusMark = (status: Status): TemplateResult =>
  html`<span class="status status-${status}">${statusWords[status]}</span>`

/** How much is there, as a bar and in words. */
export function progressBar({ size, bytesReceived, progress, status }: Download): TemplateResult | typeof nothing {
  if (size === null) return nothing
  const words = status === 'completed' ? bytes(size) : `${progress ?? 0} % of ${bytes(size)}`
  return html`<progress max="100" value=${progress ?? 0} aria-label="Received">${words}</progress>
    <span class="amount" title="${bytes(bytesReceived)} of ${bytes(size)}">${words}</span>`
}

/** `1.2 MiB/s, 4 s left`; nothing while nobody knows. */
export function pace(download: Download, rates: Rates): string {
  const rate = rates.of(download.id)
  if (download.status !== 'transferring' || rate === undefined) return ''
  const left = rates.left(download)
  return `${bytes(Math.round(rate))}/s${left === undefined ? '' : `, ${formatSeconds(left)} left`}`
}

/**
 * A table: on a narrow page a list of cards, whose cells say their columns (tables.css). What is drawn as no table some
 * browsers take for none, so the roles are said.
 */
export function table(caption: string, columns: readonly string[], rows: unknown): TemplateResult {
  return html`<div class="scroll" role="region" aria-label=${caption} tabindex="0">
    <table role="table">
      <caption class="heard">
        ${caption}
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map((column) => html`<th scope="col" role="columnheader">${column}</th>`)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows}
      </tbody>
    </table>
  </div>`
}

/** A row of a table, a cell for each of its columns; the first one names it. */
export function tableRow(columns: readonly string[], [name, ...cells]: readonly unknown[]): TemplateResult {
  return html`<tr role="row">
    <th scope="row" role="rowheader">${name}</th>
    ${cells.map((cell, at) => html`<td role="cell" data-column=${columns[at + 1] ?? ''}>${cell}</td>`)}
  </tr>`
}

/** To the page after this one, and back to the first. */
export function pages({ first, next }: { first: string | null; next: string | null }): TemplateResult | typeof nothing {
  if (first === null && next === null) return nothing
  return html`<nav class="pages" aria-label="Pages">
    ${first === null ? nothing : html`<a href=${first}>First page</a>`}
    ${next === null ? nothing : html`<a href=${next} rel="next">Next page</a>`}
  </nav>`
}

/** A name and what it is; nothing where there is nothing to say. */
export function fact(name: string, value: unknown): TemplateResult | typeof nothing {
  if (value === null || value === undefined || value === '' || value === nothing) return nothing
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`
}

/** What was typed into a form, by name; spaces around it are nobody's intent. */
export function typed(form: HTMLFormElement): Record<string, string> {
  const entries = [...new FormData(form)].map(([name, value]) => [name, typeof value === 'string' ? value.trim() : ''])
  return Object.fromEntries(entries) as Record<string, string>
}

/** Whether an agent is there. */
export const presence = ({ status }: Pick<Client, 'status'>): TemplateResult =>
  html`<span class="status ${status}">${status === 'online' ? 'Online' : 'Offline'}</span>`

export const labelsText = (labels: Client['labels']): TemplateResult[] =>
  Object.entries(labels).map(([key, value]) => html`<bdi class="label">${key}=${visible(value)}</bdi> `)
