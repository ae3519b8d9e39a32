import { RateLimiterMemory, RateLimiterPostgres } from 'rate-limiter-flexible'
import type { MakeLimiter } from '../../access-ports.ts'
import type { Database } from './database.ts'

/** How long an answer may take, in ms, and for how long nothing is asked after one that did not come. */
const PATIENCE = 1000
const LEFT_ALONE = 1000
/** Characters of a key. */
const LONGEST_KEY = 255

/** Counts in the database, for all servers together; while it is away, each server counts by itself. */
export function createMakeLimiter({ db }: { db: Pick<Database, 'pool'> }): MakeLimiter {
  let askedAgainAt = -Infinity

  const query = async ({
    values,
    ...statement
  }: {
    name: string
    text: string
    values: unknown[]
  }): Promise<unknown> => {
    if (performance.now() < askedAgainAt) throw new Error('the database was away a moment ago')
    // What a proxy says of an address can be of any length.
    const fitting = values.map((value) => (typeof value === 'string' ? value.slice(0, LONGEST_KEY) : value))
    try {
      return await within(PATIENCE, db.pool.query({ ...statement, values: fitting }))
    } catch (error) {
      askedAgainAt = performance.now() + LEFT_ALONE
      throw error
    }
  }

  return ({ name, points, seconds }) =>
    new RateLimiterPostgres({
      storeClient: { query },
      storeType: 'client',
      tableName: 'rate_limits',
      tableCreated: true,
      clearExpiredByTimeout: true,
      keyPrefix: name,
      points,
      duration: seconds,
      // Whoever is held back costs the database nothing more.
      inMemoryBlockOnConsumed: points + 1,
      insuranceLimiter: new RateLimiterMemory({ keyPrefix: name, points, duration: seconds }),
    })
}

/** @throws Error after `ms`; what is under way ends by itself */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`the database has not answered within ${ms} ms`)), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
