import { finalStatuses, type Status } from '../../shared/protocol.ts'
import type { Download } from '../../shared/operator.ts'
import { pause } from '../../shared/wait.ts'
import type { Api } from '../api.ts'
import { CliError, isPassing } from '../errors.ts'

/** A download that is new, or another than before. */
export interface Change {
  /** As it was when it was last told; undefined for one that is new. */
  before: Download | undefined
  value: Download
  /** As it came, for `--json`. */
  raw: unknown
}

/** Where there are more than are looked at. */
export interface Cut {
  queued: boolean
  moving: boolean
}

/** What came of asking once. */
export type News =
  | {
      kind: 'look'
      changes: Change[]
      /** Ids of those that are still open, but not looked at any more: there are too many newer ones. */
      dropped: string[]
      /** How many sites are online; undefined until that is known. */
      online: number | undefined
      cut: Cut
    }
  | { kind: 'away'; error: Error }

export interface ChangesOptions {
  api: Pick<Api, 'clients' | 'client' | 'downloads' | 'download'>
  signal: AbortSignal
  /** Only of these clients, if any are named. */
  clients: readonly string[]
  /** Only of clients with all of these, as KEY=VALUE. */
  labels: readonly string[]
}

/** ms between two looks at the downloads, and between two counts of the sites, whose list can be long. */
const EVERY = { look: 1000, count: 15_000 }
/** What is looked at, newest first, each in a list of its own, so that a thousand that wait hide none that moves. */
const LISTS: readonly { of: keyof Cut | 'ended'; statuses: readonly Status[]; limit: number }[] = [
  { of: 'moving', statuses: ['transferring', 'verifying'], limit: 100 },
  { of: 'queued', statuses: ['queued'], limit: 100 },
  { of: 'ended', statuses: finalStatuses, limit: 25 },
]
/** Those that are in no list any more are asked for one by one, so many in a look. */
const ONE_BY_ONE = 25
/** Downloads remembered, so that none is told twice. */
const REMEMBERED = 2000

const isEnded = ({ status }: Download): boolean => finalStatuses.includes(status)

/**
 * What changes at the server, until `signal` aborts: first all that is under way, then what is new or other, also how it ended.
 * What ended before is not told. A server that is away is told with each try, and asked again.
 * @throws CliError when the server refuses; the signal's reason when it aborts
 */
export async function* readChanges({ api, signal, clients, labels }: ChangesOptions): AsyncGenerator<News> {
  const known = createMemory()
  const open = new Set<string>()
  const count = createCount({ api, clients, labels })
  const label = labels.map((text): [string, string] => ['label', text])
  const scopes =
    clients.length > 0 ? clients.map((id) => [['client', id] satisfies [string, string], ...label]) : [label]
  const queries = scopes.flatMap((scope) =>
    LISTS.map(({ of, statuses, limit }) => {
      const query: [string, string][] = [...scope, ['status', statuses.join(',')], ['limit', String(limit)]]
      return { query, of }
    }),
  )
  /** The newest end before the first look, by the server's clock. */
  let endedBefore: string | undefined

  const look = async (): Promise<News> => {
    const [online, ...lists] = await Promise.all([
      count(),
      ...queries.map(async ({ query, of }) => ({ ...rowsOf(await api.downloads(query)), of })),
    ])
    const hasMore = (kind: keyof Cut): boolean => lists.some((list) => list.of === kind && list.hasMore)
    const cut = { queued: hasMore('queued'), moving: hasMore('moving') }
    const listed = lists.flatMap(({ rows }) => rows)
    endedBefore ??= newestEnd(listed)
    const ids = new Set(listed.map(({ value }) => value.id))
    const gone = [...open].filter((id) => !ids.has(id)).slice(0, ONE_BY_ONE)
    const found = await Promise.all(gone.map((id) => find(api, id)))
    const dropped = gone.filter((_, at) => {
      const row = found[at]
      return row === undefined || ((cut.queued || cut.moving) && !isEnded(row.value))
    })
    const changes: Change[] = []
    for (const row of [...listed, ...found.filter((one) => one !== undefined)]) {
      const { value } = row
      if (isEnded(value)) open.delete(value.id)
      else open.add(value.id)
      const before = known.replace(value)
      const isOld = isEnded(value) && before === undefined && (value.completedAt ?? '') <= endedBefore
      if (!isOld && !isSame(before, value)) changes.push({ before, ...row })
    }
    for (const id of dropped) open.delete(id)
    return { kind: 'look', changes: changes.toSorted(byAge), dropped, online, cut }
  }

  for (;;) {
    yield await look().catch((error: unknown) => {
      signal.throwIfAborted()
      if (isPassing(error)) return { kind: 'away', error: error as Error } satisfies News
      throw error
    })
    await pause(EVERY.look, signal)
    signal.throwIfAborted()
  }
}

interface Row {
  value: Download
  raw: unknown
}

function rowsOf({ value, raw }: Awaited<ReturnType<Api['downloads']>>): { rows: Row[]; hasMore: boolean } {
  const { downloads } = raw as { downloads: unknown[] }
  return {
    rows: value.downloads.map((download, at) => ({ value: download, raw: downloads[at] })),
    hasMore: value.next !== null,
  }
}

/** @returns undefined when there is no such download any more */
async function find(api: Pick<Api, 'download'>, id: string): Promise<Row | undefined> {
  try {
    return await api.download(id)
  } catch (error) {
    if (error instanceof CliError && error.code === 'download-unknown') return undefined
    throw error
  }
}

/** A count of the sites that are online, as new as it need be. */
function createCount({ api, clients, labels }: Omit<ChangesOptions, 'signal'>): () => Promise<number> {
  let last = { at: -Infinity, online: 0 }
  const count = async (): Promise<number> => {
    if (clients.length === 0)
      return (await api.clients([['status', 'online'], ...labels.map((text): [string, string] => ['label', text])]))
        .value.count
    const found = await Promise.all(clients.map((id) => api.client(id)))
    return found.filter(({ value }) => value.status === 'online').length
  }
  return async () => {
    const at = performance.now()
    if (at - last.at >= EVERY.count) last = { at, online: await count() }
    return last.online
  }
}

/** The downloads as they were last; those that have not been heard of for longest are forgotten. */
function createMemory(): { replace(download: Download): Download | undefined } {
  const known = new Map<string, Download>()
  return {
    replace(download) {
      const before = known.get(download.id)
      known.delete(download.id)
      known.set(download.id, download)
      const [oldest] = known.keys()
      if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest)
      return before
    },
  }
}

function isSame(one: Download | undefined, other: Download): boolean {
  return one !== undefined && JSON.stringify(one) === JSON.stringify(other)
}

function newestEnd(rows: readonly Row[]): string {
  return rows.reduce(
    (newest, { value }) => ((value.completedAt ?? '') > newest ? (value.completedAt ?? '') : newest),
    '',
  )
}

/** Lists are newest first; what is told in lines is read from the top. */
function byAge({ value: one }: Change, { value: other }: Change): number {
  const [a, b] = [one, other].map(({ completedAt, createdAt }) => completedAt ?? createdAt)
  return (a ?? '') < (b ?? '') ? -1 : 1
}
