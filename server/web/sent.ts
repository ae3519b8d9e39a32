import { createHash } from 'node:crypto'

/** A text that is sent as it is, to everybody alike. */
export interface Sent {
  type: string
  text: string
  /** Names the text and no other, in quotes. */
  etag: string
}

export function sent(type: string, text: string): Sent {
  return { type, text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` }
}
