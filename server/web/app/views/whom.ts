import { html, type TemplateResult } from 'lit-html'
import type { ClientList } from '../../../../shared/operator.ts'
import { call, withQuery } from '../api.ts'
import { lastOf, type Whom } from '../request.ts'

/** In ms: clients are looked for when nothing was typed for so long. */
const STILL = 250
const SUGGESTED = 20
/** One id takes 64; a batch of more than these is asked for by its labels. */
const LONGEST = 4_096

/** The fields that say which clients are asked. @param draw draws them again */
export function createWhomFields(draw: () => void): { show(): TemplateResult; reset(): void } {
  let whom: Whom = 'named'
  let suggested: string[] = []
  let timer: ReturnType<typeof setTimeout> | undefined

  const find = async (clients: string): Promise<void> => {
    const { before, last } = lastOf(clients)
    try {
      const query = withQuery('/clients', { status: 'all', search: last, limit: SUGGESTED })
      const found = await call<ClientList>(query)
      suggested = found.clients.map(({ id }) => before + id)
    } catch {
      // What is typed in full needs no list.
      suggested = []
    }
    draw()
  }

  const suggest = (clients: string): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void find(clients), STILL)
  }

  const choose = (event: Event): void => {
    whom = (event.target as HTMLSelectElement).value as Whom
    draw()
  }

  const clientsField = (): TemplateResult =>
    html`<label class="wide"
      >Client, or several with commas between
      <input
        name="clients"
        required
        maxlength=${LONGEST}
        list="known-clients"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
        @input=${(event: InputEvent) => suggest((event.target as HTMLInputElement).value)}
      /><datalist id="known-clients">${suggested.map((id) => html`<option value=${id}></option>`)}</datalist></label
    >`

  const labelsField = (): TemplateResult =>
    html`<label class="wide"
      >With these labels; without any, every client
      <input
        name="labels"
        maxlength=${LONGEST}
        pattern="[^=,]+=[^,]+(,[^=,]+=[^,]+)*"
        title="key=value, with commas between"
        placeholder="key=value"
        autocomplete="off"
        autocapitalize="none"
        spellcheck="false"
    /></label>`

  return {
    show: () =>
      html`<label
          >Whom
          <select name="whom" @change=${choose}>
            <option value="named">Clients by id</option>
            <option value="all">All clients</option>
          </select></label
        >
        ${whom === 'named' ? clientsField() : labelsField()}`,
    reset() {
      whom = 'named'
      suggested = []
    },
  }
}
