import type { Database, Queries } from './database.ts'

/** Two that begin at the same moment do so one after the other. */
const LOCK = 4_254_484_174

/** What a database says of a move into it. */
export interface Move {
  id: string
  /** What is moved, for people. */
  source: string
  finished: boolean
}

/**
 * The newest move into a database; undefined where there was none. The tables that say so are made by a move, and are not
 * there otherwise.
 */
export async function findMove(db: Queries): Promise<Move | undefined> {
  const tables = await db.one(`SELECT to_regclass('moves') IS NOT NULL AS known`)
  if (tables?.['known'] !== true) return undefined
  const row = await db.one(
    'SELECT id, source, finished_at IS NOT NULL AS finished FROM moves ORDER BY begun_at DESC LIMIT 1',
  )
  return row && { id: String(row['id']), source: String(row['source']), finished: row['finished'] === true }
}

/** A server that began here would meet agents before all that is theirs has come. @throws Error */
export async function checkNotMoving(db: Queries): Promise<void> {
  const move = await findMove(db)
  if (!move || move.finished) return
  throw new Error(
    `a move of ${move.source} to this database is not finished: run move again there; to give it up, ` +
      'make the database anew and empty the bucket',
  )
}

/**
 * Notes that a move has begun, unless `check` refuses.
 * @param check sees the database alone with this, and throws to refuse
 */
export async function noteMove(
  db: Database,
  { id, source }: Omit<Move, 'finished'>,
  check: (tx: Queries) => Promise<void>,
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.one('SELECT pg_advisory_xact_lock(:lock)', { lock: LOCK })
    if ((await findMove(tx))?.id === id) return
    await check(tx)
    await tx.run(
      `CREATE TABLE IF NOT EXISTS moves
         (id text PRIMARY KEY, source text NOT NULL, begun_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz)`,
    )
    await tx.run('CREATE TABLE IF NOT EXISTS moved_files (download_id text COLLATE "C" PRIMARY KEY)')
    // What comes has its events with it; what is accepted as lost is told by the command.
    await tx.run('ALTER TABLE downloads DISABLE TRIGGER USER')
    await tx.run('INSERT INTO moves (id, source) VALUES (:id, :source)', { id, source })
  })
}

/** From now on servers may start. */
export async function noteMoveFinished(tx: Queries, id: string): Promise<void> {
  await tx.run('UPDATE moves SET finished_at = now() WHERE id = :id', { id })
  await tx.run('DROP TABLE moved_files')
  await tx.run('ALTER TABLE downloads ENABLE TRIGGER USER')
}
