import { html, type TemplateResult } from 'lit-html'
import type { Batch, ClientList, Download, DownloadRequest } from '../../../../shared/operator.ts'
import type { Policy } from '../../../../shared/protocol.ts'
import { call, withQuery } from '../api.ts'
import { typed } from '../parts.ts'
import { downloadLink } from '../route.ts'
import type { Page } from '../view.ts'
import { policyWords } from '../words.ts'

/** In ms: clients are looked for when nothing was typed for so long. */
const STILL = 250
const SUGGESTED = 20

/**
 * The form that asks for a file.
 * @param client that it is asked of; without it, the form has a field for one
 */
export function createAskForm(page: Page, client?: string): { show(): TemplateResult } {
  let suggested: string[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking = false
  // The same until it was answered: what is sent twice is asked for once.
  let key = newKey()

  const find = async (search: string): Promise<void> => {
    try {
      const query = withQuery('/clients', { status: 'all', search, limit: SUGGESTED })
      const { clients } = await call<ClientList>(query)
      suggested = clients.map(({ id }) => id)
    } catch {
      // What is typed in full needs no list.
      suggested = []
    }
    page.draw()
  }

  const suggest = (search: string): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void find(search), STILL)
  }

  const ask = async (form: HTMLFormElement): Promise<void> => {
    if (asking) return
    asking = true
    page.draw()
    const done = await page.attempt(async () => {
      const asked = await call<Download | Batch>('/downloads', {
        method: 'POST',
        body: requestOf(typed(form), client),
        headers: { 'Idempotency-Key': key },
      })
      const id = 'id' in asked ? asked.id : ''
      page.say(html`Asked for. <a href=${downloadLink(id)}>Look at it</a>`)
    })
    asking = false
    page.draw()
    if (!done) return
    key = newKey()
    form.reset()
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

  const clientField = (): TemplateResult =>
    html`<label
      >Client
      <input
        name="clientId"
        required
        maxlength="64"
        list="known-clients"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
        @input=${(event: InputEvent) => suggest((event.target as HTMLInputElement).value)}
      /><datalist id="known-clients">${suggested.map((id) => html`<option value=${id}></option>`)}</datalist></label
    >`

  return {
    show: () =>
      html`<details class="ask">
        <summary>Ask for a file</summary>
        <form @submit=${submitted} @input=${changed}>
          ${client === undefined ? clientField() : ''}
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

function requestOf(
  { clientId, path, note, priority, policy }: Record<string, string>,
  client = clientId,
): DownloadRequest {
  return {
    clientId: client ?? '',
    ...(path ? { path } : {}),
    ...(note ? { note } : {}),
    ...(priority ? { priority: Number(priority) } : {}),
    policy: policy as Policy,
  }
}

/** `crypto.randomUUID` is not there without TLS. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
