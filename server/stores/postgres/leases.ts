import { randomUUID } from 'node:crypto'
import type { Leases } from '../../ports.ts'
import type { Report } from '../open.ts'
import type { Database } from './database.ts'

/** How long a server that is not heard of keeps what it holds, and how often one says that it is there, in ms. */
const ALIVE = 15_000
const RENEW_EVERY = 5000
/** The part of it after which this server is not sure any more: timers can be late. */
const CERTAIN = 0.9

/**
 * Leases by rows: of every server until when it is alive, by the database's clock, and of every lease whose it is.
 * @param deps.alive @param deps.renewEvery in ms
 */
export function openLeases({
  db,
  report,
  alive = ALIVE,
  renewEvery = RENEW_EVERY,
}: {
  db: Database
  report: Report
  alive?: number
  renewEvery?: number
}): Leases {
  const me = randomUUID()
  let renewedAt = -Infinity
  let renewing: Promise<void> | undefined
  let closed = false
  let certain = new AbortController()
  let doubt: NodeJS.Timeout | undefined

  /** What follows from a renewal that was asked for at that moment, which is before the database's clock was read. */
  const renewedSince = (asked: number): void => {
    renewedAt = asked
    clearTimeout(doubt)
    doubt = setTimeout(
      () => {
        certain.abort()
        certain = new AbortController()
      },
      asked + alive * CERTAIN - performance.now(),
    ).unref()
  }

  const renewNow = async (): Promise<void> => {
    const asked = performance.now()
    await db.run(
      `INSERT INTO servers (id, alive_until) VALUES (:me, clock_timestamp() + :alive * interval '1 ms')
       ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until`,
      { me, alive },
    )
    renewedSince(asked)
    await db.run(
      `WITH dead AS (DELETE FROM servers WHERE alive_until < clock_timestamp() - :alive * interval '1 ms' RETURNING id)
       DELETE FROM leases WHERE holder IN (SELECT id FROM dead)`,
      { alive },
    )
  }
  const renew = (): Promise<void> => (renewing ??= renewNow().finally(() => void (renewing = undefined)))

  // While the database is away nobody can take a lease over, either; the next turn tries again.
  const failed = (error: unknown): void =>
    report(error, 'that this server is there cannot be noted yet; it is tried again')
  const timer = setInterval(() => void renew().catch(failed), renewEvery).unref()

  return {
    async hold(name) {
      if (closed) return false
      // A server that stood still may be taken for dead, and its leases be somebody's.
      if (performance.now() - renewedAt > alive / 2) await renew()
      const found = await db.one(
        `SELECT holder, EXISTS (SELECT 1 FROM servers WHERE id = holder AND alive_until > clock_timestamp()) AS alive
         FROM leases WHERE name = :name`,
        { name },
      )
      // Most calls learn what they want to know without a write.
      if (found?.['alive'] === true) return found['holder'] === me
      const taken = await db.run(
        `INSERT INTO leases (name, holder) VALUES (:name, :me)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder WHERE leases.holder = excluded.holder OR NOT EXISTS
           (SELECT 1 FROM servers WHERE id = leases.holder AND alive_until > clock_timestamp())`,
        { name, me },
      )
      return taken > 0
    },
    async release(name) {
      await db.run('DELETE FROM leases WHERE name = :name AND holder = :me', { name, me })
    },
    certain: () => certain.signal,
    async close() {
      closed = true
      clearInterval(timer)
      clearTimeout(doubt)
      try {
        await renewing
        await db.run('DELETE FROM leases WHERE holder = :me', { me })
        await db.run('DELETE FROM servers WHERE id = :me', { me })
      } catch {
        // A database that is away does not keep a server from ending: what it holds runs out by itself.
      }
    },
  }
}
