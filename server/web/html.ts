/** Text of a page that is markup, and nobody's words: only `html` makes it. */
class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}
export type { Html }

/** What may stand in a page. Nothing is left out; lists are joined. */
export type Part = Html | string | number | undefined | readonly Part[]

/**
 * A piece of HTML; whatever is put into it is text, but for what is itself a piece. Attributes must be quoted, and those
 * whose values are no text (`href`, `src`, `style`, `on…`) are not for what others have said.
 */
export function html(literals: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(literals.map((literal, at) => literal + textOf(parts[at])).join(''))
}

/** Parts with something between them. */
export function joined(parts: readonly Part[], between: Part): Part {
  return parts.map((part, at) => (at === 0 ? part : [between, part]))
}

function textOf(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Html) return part.text
  // Array.isArray does not know lists that cannot be written to.
  if (typeof part === 'object') return part.map(textOf).join('')
  return escaped(String(part))
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** What neither text nor a quoted attribute ends at (HTML, 13.3). */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
