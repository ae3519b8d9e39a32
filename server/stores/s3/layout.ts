import type { Part } from '../../byte-ports.ts'

/**
 * Keys below the prefix of a store:
 * `backhaul.json` says whose place it is; `files/NAME` are the finished files; `parts/ID.ATTEMPT/` holds an attempt, with
 * `part` that marks it, an object `START-TAG` for each chunk, and `upload` while they are being composed.
 */
export interface Layout {
  owner: string
  parts: string
  folder(part: Part): string
  marker(part: Part): string
  /** What tells of the multipart upload that makes the finished file. */
  upload(part: Part): string
  chunk(part: Part, start: number, tag: string): string
  file(name: string): string
}

/** So many digits hold every offset below 2^53, so that keys sort like numbers. */
const DIGITS = 16

/** @param prefix empty, or ending in a stroke */
export function layoutOf(prefix: string): Layout {
  const parts = `${prefix}parts/`
  const folder = (part: Part): string => `${parts}${partName(part)}/`
  return {
    owner: `${prefix}backhaul.json`,
    parts,
    folder,
    marker: (part) => `${folder(part)}part`,
    upload: (part) => `${folder(part)}upload`,
    chunk: (part, start, tag) => `${folder(part)}${String(start).padStart(DIGITS, '0')}-${tag}`,
    file: (name) => `${prefix}files/${name}`,
  }
}

/** What a part is called in keys and metadata. */
export const partName = ({ id, attempt }: Part): string => `${id}.${attempt}`

/** The part whose folder bears a name, if it is one. */
export function partOf(name: string): Part | undefined {
  const [, id, attempt] = /^([0-9a-f-]{36})\.(\d+)$/.exec(name) ?? []
  return id === undefined ? undefined : { id, attempt: Number(attempt) }
}
