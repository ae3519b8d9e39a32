import { printable } from '../shared/format.ts'
import type { FailureCode } from '../shared/protocol.ts'

/** A job that cannot be done: it is reported to the server, which ends the download with this code. */
export class JobFailure extends Error {
  override readonly name = 'JobFailure'
  readonly code: FailureCode

  /** @param detail what happened, to which path, and what to do; cut to 1,000 characters */
  constructor(code: FailureCode, detail: string, options?: ErrorOptions) {
    super(clip(detail, 1000), options)
    this.code = code
  }
}

/**
 * Work that is no longer ours, or not possible now. Nothing is reported; `again` says that the job may still be open,
 * and `afterMs` when to look again, if that is known.
 */
export class JobDropped extends Error {
  override readonly name = 'JobDropped'
  readonly again: boolean
  readonly afterMs: number | undefined

  constructor(message: string, { again, afterMs }: { again: boolean; afterMs?: number }) {
    super(message)
    this.again = again
    this.afterMs = afterMs
  }
}

/** At most `length` UTF-16 units of `text`, never half a character. */
export function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/** A path in quotes, safe for a terminal, short enough to leave room for the rest of a sentence. */
export function quote(path: string): string {
  return `"${clip(printable(path), 400)}"`
}
