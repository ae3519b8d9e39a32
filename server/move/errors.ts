/** What can be said of a move; scripts compare the codes. */
export type MoveCode =
  /** There is nothing to move. */
  | 'no-data'
  /** A server, or another move, has the old place or the new one. */
  | 'in-use'
  /** There is something at the new place that is not of this move. */
  | 'not-empty'
  /** It was finished before. */
  | 'moved'
  /** Files or parts are not what their rows say. */
  | 'damaged'

/** A move that cannot be made, or not to its end: what happened, to what, and what to do. */
export class MoveError extends Error {
  override readonly name = 'MoveError'
  readonly code: MoveCode

  constructor(code: MoveCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
