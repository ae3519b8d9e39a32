/** A database that was changed by a newer program: this one would misunderstand it. */
export class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError'
  /** @param known the newest version that this program knows */
  constructor(version: number, known: number, what = 'the database') {
    super(
      `${what} is of a newer version (${version}) than this program knows (${known}): ` +
        'use the program that wrote it, or restore a backup of the time before',
    )
  }
}
