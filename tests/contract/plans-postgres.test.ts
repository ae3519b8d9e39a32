import { beforeAll, afterAll, expect } from '@jest/globals'
import type { AccessStore } from '../../server/access-ports.ts'
import type { EventStore } from '../../server/event-ports.ts'
import type { JobStore } from '../../server/ports.ts'
import { openDatabase, type Database, type Parameters } from '../../server/stores/postgres/database.ts'
import { createAudit } from '../../server/stores/postgres/audit.ts'
import { createEventStore } from '../../server/stores/postgres/events.ts'
import { createJobStore } from '../../server/stores/postgres/jobs.ts'
import { testWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'

// How PostgreSQL carries out what the store asks of it: what a call costs must not grow with what is stored.

const needs = { otherwise: postgresLacking() }
const FEW = 1000
const MANY = process.env['BACKHAUL_TESTS'] === 'all' ? 1_000_000 : 100_000
const CLIENTS = 1000
/** What becomes more with every download. */
const GROWN = ['downloads', 'events', 'audit']
/** At a time, so that no statement takes too long. */
const PORTION = 50_000
const SHOWN = 50
/** Each row that is shown may lie in a block of its own; indexes become a level or two deeper. */
const fitsIn = (few: number): number => few * 1.2 + SHOWN + 20

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: Plan[]
}

interface Asked {
  sql: string
  parameters: Parameters
}

let db: Database
let asked: Asked[] = []
let jobs: JobStore
let events: EventStore
let audit: Pick<AccessStore, 'listAudit'>

beforeAll(async () => {
  if (needs.otherwise !== undefined) return
  db = await openDatabase({ url: await databaseUrl() })
  const remember = <T>(ask: (sql: string, parameters?: Parameters) => Promise<T>) => {
    return (sql: string, parameters: Parameters = {}): Promise<T> => {
      asked.push({ sql, parameters })
      return ask(sql, parameters)
    }
  }
  const watched = { ...db, query: remember(db.query), one: remember(db.one), run: remember(db.run) }
  jobs = createJobStore({ db: watched })
  events = createEventStore({ db: watched })
  audit = createAudit({ db: watched })
  await db.run(
    `INSERT INTO clients (id, last_seen, agent) SELECT 'c' || n, 1, '{"version":"1","platform":"p"}' FROM generate_series(0, :last::integer) AS n`,
    { last: CLIENTS - 1 },
  )
  await db.run(`INSERT INTO labels (key, value, client_id) VALUES ('use', 'seldom', 'c7'), ('use', 'seldom', 'c8')`)
})
afterAll(async () => {
  if (needs.otherwise === undefined) await db.close()
})

/** So that there are downloads numbered up to `count`, most of them long done, with what is told of them. */
async function fill(count: number): Promise<void> {
  const before = Number((await db.one('SELECT count(*) AS count FROM downloads'))?.['count'])
  for (let first = before; first < count; first += PORTION) {
    await db.run(
      `INSERT INTO downloads (id, client_id, kind, path, priority, policy, note, batch_id, naming, status, attempt, source, size,
       name, whole, created_at, completed_at, expires_in, expires_at, removed_at)
     SELECT 'd' || n, 'c' || n % ${CLIENTS}, 'file', NULL, 0, 'fail', CASE n % 100 WHEN 3 THEN 'n' || n / 1000 END,
       CASE n % 100 WHEN 4 THEN 'b' || n / 1000 END, 'plain',
       CASE WHEN n < 1000 AND n % 10 = 7 THEN 'queued' WHEN n < 1000 AND n % 10 = 8 THEN 'transferring'
            WHEN n < 1000 AND n % 10 = 9 THEN 'failed' ELSE 'completed' END,
       1, 'v', 10, CASE WHEN n < 1000 THEN 'name' || n END, FALSE, n, n, 1000, n, CASE WHEN n < 1000 THEN NULL ELSE n END
     FROM generate_series(:first::integer, :last::integer) AS n`,
      { first, last: Math.min(first + PORTION, count) - 1 },
    )
  }
  // Of each download there is an event by now; of each somebody asked.
  await db.run(
    `INSERT INTO audit (at, actor, address, action, client_id, status)
     SELECT n, CASE n % 1000 WHEN 7 THEN 'seldom' ELSE 'often' END, '192.0.2.1', 'download', 'c' || n % ${CLIENTS}, 202
     FROM generate_series(:before::integer, :last::integer) AS n`,
    { before, last: count - 1 },
  )
  for (const grown of [...GROWN, 'clients']) await db.run(`VACUUM (ANALYZE) ${grown}`)
}

/** What the store asks for each kind of call that is made often. */
const calls: Record<string, () => Promise<unknown>> = {
  poll: () => jobs.openJobs('c7', SHOWN),
  status: () => jobs.findDownload('d17'),
  newest: () => jobs.listDownloads({ limit: SHOWN }),
  'of a client': () => jobs.listDownloads({ clientId: 'c5', limit: SHOWN }),
  'of a client by status': () => jobs.listDownloads({ clientId: 'c7', status: ['queued', 'failed'], limit: SHOWN }),
  'by status': () => jobs.listDownloads({ status: ['failed', 'transferring'], limit: SHOWN }),
  'of a batch': () => jobs.listDownloads({ batchId: 'b0', limit: SHOWN }),
  'by note': () => jobs.listDownloads({ note: 'n0', limit: SHOWN }),
  'by labels': () => jobs.listDownloads({ labels: { use: 'seldom' }, limit: 3 }),
  'of all that is under way': () =>
    jobs.listDownloads({ status: ['queued', 'transferring', 'verifying'], limit: SHOWN }),
  'an early page': () => jobs.listDownloads({ before: 200, limit: SHOWN }),
  'clients, searched': () => jobs.listClients({ search: '99', limit: SHOWN }),
  'clients online': () => jobs.listClients({ seen: { after: 1, orIds: ['c1', 'c2'] }, limit: SHOWN }),
  'clients counted': () => jobs.clientsSeen(1),
  'events of a download': () => events.ofDownload('d17', { after: 0, limit: SHOWN }),
  audit: () => audit.listAudit({ limit: SHOWN }),
  'audit of a client': () => audit.listAudit({ clientId: 'c5', limit: SHOWN }),
  'audit of somebody': () => audit.listAudit({ actor: 'seldom', limit: SHOWN }),
  expired: () => jobs.expired(500, 10),
  outstanding: () => jobs.outstandingBytes(),
  used: () => jobs.usedBytes('c5', ''),
  'kept parts': () => jobs.keptParts(10),
  whole: () => jobs.wholeUploads(10),
  'count of those open': () => jobs.countOpen(),
  'to remove': () => jobs.contentToRemove(100, 10),
}

/** How each call is carried out now. */
async function look(): Promise<{ name: string; plans: Plan[] }[]> {
  const looks: { name: string; plans: Plan[] }[] = []
  for (const [name, call] of Object.entries(calls)) {
    asked = []
    await call()
    const plans: Plan[] = []
    for (const { sql, parameters } of asked) {
      const row = await db.one(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`, parameters)
      const [top] = row!['QUERY PLAN'] as { Plan: Plan }[]
      plans.push(top!.Plan)
    }
    looks.push({ name, plans })
  }
  return looks
}

const steps = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(steps)]
const blocks = (plans: readonly Plan[]): number =>
  plans.reduce((sum, plan) => sum + plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], 0)

testWith(
  needs,
  'no call looks at every download, and each looks at as many blocks, however many downloads there are',
  async () => {
    await fill(FEW)
    const few = await look()
    await fill(MANY)
    const many = await look()
    const costs = many.map(({ name, plans }, index) => ({
      name,
      few: blocks(few[index]!.plans),
      many: blocks(plans),
      scans: plans
        .flatMap(steps)
        .filter((step) => step['Node Type'] === 'Seq Scan' && GROWN.includes(step['Relation Name'] ?? '')).length,
    }))
    expect(costs.filter((cost) => cost.scans > 0 || cost.many > fitsIn(cost.few))).toEqual([])
    const poll = many.find(({ name }) => name === 'poll')!
    expect(poll.plans).toHaveLength(1)
    expect(poll.plans.flatMap(steps).map((step) => step['Index Name'])).toContain('open_jobs')
    expect(costs.find(({ name }) => name === 'poll')!.many).toBeLessThan(20)
  },
  300_000,
)
