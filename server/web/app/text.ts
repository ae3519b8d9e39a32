import { html, nothing, type TemplateResult } from 'lit-html'
import { formatBytes, printable } from '../../../shared/format.ts'

/** Text of others as it is, but for what cannot be seen: control characters get the pictures that Unicode has for them. */
export function visible(text: string): string {
  const pictured = text.replace(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0)
    if (code === 0x7f) return '\u2421'
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : character
  })
  return printable(pictured)
}

/** Text of others, which turns no direction but its own. */
export const said = (text: string): TemplateResult => html`<bdi>${visible(text)}</bdi>`

/** The file that was asked for; a client's default file has no path. */
export const pathText = (path: string | null): TemplateResult =>
  path === null ? html`<i>default file</i>` : said(path)

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** A moment where the reader is. */
export const moment = (iso: string | null): TemplateResult | typeof nothing =>
  iso === null ? nothing : html`<time datetime=${iso}>${moments.format(new Date(iso))}</time>`

export const bytes = (count: number | null): string => (count === null ? '' : formatBytes(count))
export const number = (count: number): string => count.toLocaleString()

/** What comes of an error for who reads it. */
export const messageOf = (error: unknown): string => (error instanceof Error ? visible(error.message) : String(error))
