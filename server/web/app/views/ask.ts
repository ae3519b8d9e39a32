import { html, type TemplateResult } from 'lit-html'
import type { Batch, Download, DownloadRequest } from '../../../../shared/operator.ts'
import { call } from '../api.ts'
import { typed } from '../parts.ts'
import { requestOf } from '../request.ts'
import { downloadLink, linkTo } from '../route.ts'
import { number } from '../text.ts'
import type { Page } from '../view.ts'
import { policyWords } from '../words.ts'
import { createWhomFields } from './whom.ts'

/**
 * The form that asks for a file.
 * @param client that it is asked of; without it, the form has fields for whom
 */
export function createAskForm(page: Page, client?: string): { show(): TemplateResult } {
  const whom = createWhomFields(page.draw)
  let asking = false
  // The same until it was answered: what is sent twice is asked for once.
  let key = newKey()

  const ask = async (form: HTMLFormElement): Promise<void> => {
    const request = requestOf(typed(form), client)
    if (asking || !isMeant(request)) return
    asking = true
    page.draw()
    const done = await page.attempt(async () => {
      const asked = await call<Download | Batch>('/downloads', {
        method: 'POST',
        body: request,
        headers: { 'Idempotency-Key': key },
      })
      page.say(answerTo(asked))
    })
    asking = false
    page.draw()
    if (!done) return
    key = newKey()
    form.reset()
    whom.reset()
    page.draw()
    form.querySelector('input')?.focus()
    await page.refresh()
  }

  const submitted = (event: SubmitEvent): void => {
    event.preventDefault()
    void ask(event.target as HTMLFormElement)
  }
  // Something else is asked for now.
  const changed = (): void => {
    if (!asking) key = newKey()
  }

  return {
    show: () =>
      html`<details class="ask">
        <summary>Ask for a file</summary>
        <form @submit=${submitted} @input=${changed}>
          ${client === undefined ? whom.show() : ''}
          <label class="wide">
            Path at the client's site; without it, its default file
            <input name="path" maxlength="4096" autocomplete="off" autocapitalize="none" spellcheck="false" />
          </label>
          <label class="wide">Note <input name="note" maxlength="1000" autocomplete="off" /></label>
          <label>
            Priority, -100 to 100
            <input name="priority" type="number" min="-100" max="100" step="1" placeholder="0" />
          </label>
          <label>
            While it is read
            <select name="policy">
              ${Object.entries(policyWords).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
            </select>
          </label>
          <button ?disabled=${asking}>Ask</button>
        </form>
      </details>`,
  }
}

/** Of every client that there is nobody asks by a slip. */
function isMeant({ clientIds, labels }: DownloadRequest): boolean {
  if (clientIds !== '*') return true
  const which = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`)
  return confirm(`Ask every known client${which.length > 0 ? ` with ${which.join(', ')}` : ''} for this file?`)
}

const answerTo = (asked: Download | Batch): TemplateResult =>
  'id' in asked
    ? html`Asked for. <a href=${downloadLink(asked.id)}>Look at it</a>`
    : html`Asked ${number(asked.count)} of them. <a href=${linkTo('/', { batch: asked.batchId })}>Look at all of it</a>`

/** `crypto.randomUUID` is not there without TLS. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
