import { html, type Html, type Part } from '../html.ts'

export const code = (text: string): Html => html`<code>${text}</code>`

/** A text with `code` in it. */
export function prose(text: string): Part {
  return text.split('`').map((piece, at) => (at % 2 === 1 ? code(piece) : piece))
}
