import { html } from 'lit-html'
import type { View } from '../view.ts'

/** Where a link leads nowhere. */
export function unknownView(): View {
  return {
    title: 'Nothing here',
    load: async () => {},
    show: () => html`<p>This address leads nowhere. <a href="#/">To the downloads</a></p>`,
    concerns: () => false,
    again: () => undefined,
  }
}
