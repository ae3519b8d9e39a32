import { clip } from '../failure.ts'
import { printable } from '../../shared/format.ts'

/** An order that cannot be carried out: its text is told to the operator. */
export class UpdateFailure extends Error {
  override readonly name = 'UpdateFailure'

  /** @param detail what happened, to which thing, and what to do; one line of at most 1,000 characters */
  constructor(detail: string, options?: ErrorOptions) {
    super(clip(printable(detail), 1000), options)
  }
}
