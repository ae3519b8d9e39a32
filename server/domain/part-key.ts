import type { Part } from '../byte-ports.ts'

/** What a part is known by, wherever something is kept for it: who must agree on it asks here. */
export function partKey({ id, attempt }: Part): string {
  return `${id}.${attempt}`
}
