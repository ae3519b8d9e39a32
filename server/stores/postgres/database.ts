import { setTimeout as delay } from 'node:timers/promises'
import {
  Pool,
  types as standard,
  type ClientBase,
  type CustomTypesConfig,
  type PoolClient,
  type PoolConfig,
  type QueryResult,
} from 'pg'
import type { Row } from '../rows.ts'
import { isCollision, isCut, mayBeThereSoon, perhapsDone, translated } from './failures.ts'
import { migrate } from './migrate.ts'
import { createStatements } from './statements.ts'

export type { Row }
/** `undefined` is not a value. Arrays are PostgreSQL's arrays: say of which type, as in `:ids::text[]`. */
export type Parameters = Readonly<Record<string, string | number | boolean | null | readonly unknown[]>>

/** Statements with named parameters (`:id`). */
export interface Queries {
  query(sql: string, parameters?: Parameters): Promise<Row[]>
  one(sql: string, parameters?: Parameters): Promise<Row | undefined>
  /** @returns the number of rows changed */
  run(sql: string, parameters?: Parameters): Promise<number>
}

/**
 * A database that other servers use, too. Any call throws AppError `store-busy` while it cannot be used, and
 * `store-full`; it is a PerhapsDone where the connection broke while the change was being made.
 */
export interface Database extends Queries {
  /**
   * Runs `work` in one transaction, of READ COMMITTED; what it throws rolls everything back. It runs again where that was
   * undone for another's sake, or the connection broke before the end: outside of the transaction it must change nothing.
   */
  transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T>
  /** Its connections, for a library that asks by itself. */
  readonly pool: Pool
  close(): Promise<void>
}

const CONNECTIONS = 16
/** In ms. The database ends a statement; the driver gives up a connection over which nothing comes any more. */
const STATEMENT_TIMEOUT = 30_000
const READ_TIMEOUT = 35_000
const CONNECT_TIMEOUT = 10_000
/** A server that is cut off within a transaction keeps its locks for so long, in ms. */
const IDLE_IN_TRANSACTION = 20_000
/** How long a call tries to get a connection while the database restarts, in ms. */
const PATIENCE = 2000
/** The same for a start: they may be started together. */
const PATIENCE_AT_OPENING = 10_000
const PAUSE = 100
const MOST_COLLISIONS = 10

/** PostgreSQL's types bigint, and numeric, which sums are. They arrive as numbers: none of ours exceeds 2^53. */
const NUMBERS: readonly number[] = [20, 1700]
const types: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    NUMBERS.includes(oid) ? Number : standard.getTypeParser(oid, format),
}

/**
 * Connects to the database at `url`, and brings its tables up to date.
 * @throws NewerDatabaseError; AppError `store-busy` where it cannot be reached
 */
export async function openDatabase({ url }: { url: string }): Promise<Database> {
  const pool = makePool(url)
  const db = overPool(pool)
  try {
    await migrate(db)
    return db
  } catch (error) {
    await pool.end()
    throw error
  }
}

function makePool(url: string): Pool {
  const config: PoolConfig = {
    connectionString: url,
    application_name: 'backhaul',
    max: CONNECTIONS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    query_timeout: READ_TIMEOUT,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION,
    types,
  }
  // It is awaited, which its type does not say.
  const pool = new Pool(Object.assign(config, { onConnect: prepareConnection }))
  // What breaks while it is idle leaves the pool; the next call takes another.
  pool.on('error', () => undefined)
  return pool
}

async function prepareConnection(client: ClientBase): Promise<void> {
  // What breaks between two statements of a transaction is told by the next of them.
  client.on('error', () => undefined)
  // What was answered must not be lost; whoever waits for standbys (remote_apply) goes on doing so.
  await client.query(
    `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')`,
  )
}

function overPool(pool: Pool): Database {
  const statementOf = createStatements()
  /** Could not roll back, for whatever reason. */
  const spoilt = new WeakSet<PoolClient>()
  let patience = PATIENCE_AT_OPENING

  const connect = async (until: number): Promise<PoolClient> => {
    for (;;) {
      try {
        const client = await pool.connect()
        patience = PATIENCE
        return client
      } catch (error) {
        if (!mayBeThereSoon(error) || performance.now() + PAUSE > until) throw error
        await delay(PAUSE)
      }
    }
  }

  const ask = async (client: PoolClient, sql: string, parameters: Parameters = {}): Promise<QueryResult<Row>> => {
    const { text, names, name } = statementOf(sql)
    const values = names.map((each) => storable(parameters[each]))
    if (values.includes(undefined)) throw new Error(`no value for ${names[values.indexOf(undefined)]} in: ${sql}`)
    return client.query<Row>({ text, values, ...(name === undefined ? {} : { name }) })
  }

  /** Runs `work` over a connection, again while it `mayRepeat` and something broke that may pass. */
  const attempt = async <T>(
    work: (client: PoolClient) => Promise<T>,
    mayRepeat: (error: unknown) => boolean,
  ): Promise<T> => {
    const until = performance.now() + patience
    for (let collisions = 0; ;) {
      try {
        const client = await connect(until)
        try {
          const result = await work(client)
          client.release()
          return result
        } catch (error) {
          client.release(isCut(error) || spoilt.has(client))
          throw error
        }
      } catch (error) {
        if (isCollision(error) && ++collisions < MOST_COLLISIONS) await delay(Math.random() * 10 * 2 ** collisions)
        else if (!isCut(error)) throw translated(error)
        else if (!mayRepeat(error)) throw perhapsDone(error)
        else if (performance.now() + PAUSE > until) throw translated(error)
        else await delay(PAUSE)
      }
    }
  }

  const single = (sql: string, parameters?: Parameters): Promise<QueryResult<Row>> => {
    // What was sent as the connection broke may have been done: only what reads is asked again.
    const reads = /^\s*SELECT\b/.test(sql)
    return attempt(
      (client) => ask(client, sql, parameters),
      () => reads,
    )
  }

  return {
    ...queriesOver(single),
    async transaction(work) {
      let committing = false
      return attempt(
        async (client) => {
          committing = false
          await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
          try {
            const result = await work(queriesOver((sql, parameters) => ask(client, sql, parameters)))
            committing = true
            const { command } = await client.query('COMMIT')
            if (command !== 'COMMIT') throw new Error('a statement of this transaction failed before')
            return result
          } catch (error) {
            if (!isCut(error)) await client.query('ROLLBACK').catch(() => spoilt.add(client))
            throw error
          }
        },
        () => !committing,
      )
    },
    pool,
    close: () => pool.end(),
  }
}

/** PostgreSQL's texts cannot hold the character NUL; ours do not either, but somebody may ask for one. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '\u2400')
  return Array.isArray(value) ? value.map(storable) : value
}

function queriesOver(ask: (sql: string, parameters?: Parameters) => Promise<QueryResult<Row>>): Queries {
  return {
    query: async (sql, parameters) => (await ask(sql, parameters)).rows,
    one: async (sql, parameters) => (await ask(sql, parameters)).rows[0],
    run: async (sql, parameters) => (await ask(sql, parameters)).rowCount ?? 0,
  }
}
