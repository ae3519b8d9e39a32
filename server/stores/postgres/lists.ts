import type { DownloadRecord, JobStore } from '../../ports.ts'
import { narrowed, type Wanted } from '../list-filter.ts'
import { toDownload } from '../rows.ts'
import type { Database, Parameters } from './database.ts'
import { labelCondition, labelled, type Labels } from './labels.ts'

/** So many of the newest downloads are looked at one by one for labels, before the clients with these labels are. */
const WINDOW = 1000
/** Clients whose lists are merged in one go. */
const MERGED_AT_ONCE = 16

/**
 * Lists of downloads. Each walks one index in the order of the list and stops at its limit, so that it costs what it
 * shows and not what is stored. What the index does not hold is checked row by row.
 */
export function createDownloadLists({ db }: { db: Database }): Pick<JobStore, 'listDownloads'> {
  const newest = async (wanted: Wanted): Promise<DownloadRecord[]> => {
    const { sql, parameters } = statementOf(wanted)
    return (await db.query(sql, parameters)).map(toDownload)
  }

  const hasLabels = async (id: string, labels: Labels): Promise<boolean> => {
    const { sql, parameters } = labelCondition(':id', labels)
    return (await db.one(`SELECT 1 WHERE ${sql}`, { ...parameters, id })) !== undefined
  }

  /** Clients with these labels by their newest download that is wanted, newest first. */
  const heads = async (wanted: Wanted, labels: Labels): Promise<{ clientId: string; seq: number }[]> => {
    const clients = labelled(labels)
    const { status, limit } = wanted
    const first = (more: string): string =>
      `(SELECT max(seq) FROM downloads WHERE client_id = chosen.client_id ${more} AND seq < :before)`
    const head = status
      ? `(SELECT max(${first('AND status = statuses.value')}) FROM unnest(:statuses::text[]) AS statuses (value))`
      : first('')
    const rows = await db.query(
      `SELECT client_id, seq FROM (SELECT client_id, ${head} AS seq FROM (${clients.sql}) AS chosen) AS ended
       WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT :limit`,
      {
        ...clients.parameters,
        ...(status ? { statuses: status } : {}),
        before: wanted.before ?? Number.MAX_SAFE_INTEGER,
        limit,
      },
    )
    return rows.map((row) => ({ clientId: String(row['client_id']), seq: Number(row['seq']) }))
  }

  /** Where few of the newest have the labels: the lists of the clients that have, merged. */
  const merged = async (wanted: Wanted, labels: Labels): Promise<DownloadRecord[]> => {
    const all = await heads(wanted, labels)
    let found: DownloadRecord[] = []
    for (let at = 0; at < all.length; at += MERGED_AT_ONCE) {
      const last = found[wanted.limit - 1]?.seq ?? 0
      const next = all.slice(at, at + MERGED_AT_ONCE).filter(({ seq }) => seq >= last)
      if (next.length === 0) break
      const { sql, parameters } = statementOf({ ...wanted, from: last }, 'next.client_id')
      const rows = await db.query(
        `SELECT own.* FROM unnest(:next::text[]) AS next (client_id) CROSS JOIN LATERAL (${sql}) AS own
         ORDER BY own.seq DESC LIMIT :limit`,
        { ...parameters, next: next.map(({ clientId }) => clientId) },
      )
      found = [...found, ...rows.map(toDownload)].toSorted((a, b) => b.seq - a.seq).slice(0, wanted.limit)
    }
    return found
  }

  return {
    async listDownloads({ labels = {}, ...filter }) {
      if (filter.status?.length === 0) return []
      if (Object.keys(labels).length === 0) return newest(filter)
      if (filter.clientId !== undefined) return (await hasLabels(filter.clientId, labels)) ? newest(filter) : []
      if (filter.batchId !== undefined || filter.note !== undefined) return newest({ ...filter, labels })
      const top = filter.before ?? Number((await db.one('SELECT max(seq) AS seq FROM downloads'))?.['seq'] ?? 0) + 1
      const near = await newest({ ...filter, labels, from: top - WINDOW })
      return near.length < filter.limit && top > WINDOW ? merged(filter, labels) : near
    },
  }
}

/**
 * One SELECT, or one for each status: each is in the order of the list by its index, and stops at the limit.
 * @param client the expression that a row's client must equal, where that is not the filter's
 */
function statementOf(wanted: Wanted, client?: string): { sql: string; parameters: Parameters } {
  const { labels } = wanted
  const { conditions, statuses, parameters } = narrowed(wanted)
  if (client !== undefined) conditions.push(`client_id = ${client}`)
  if (labels) {
    const condition = labelCondition('downloads.client_id', labels)
    conditions.push(condition.sql)
    Object.assign(parameters, condition.parameters)
  }
  const select = (more: string[]): string =>
    `SELECT * FROM downloads WHERE ${['TRUE', ...conditions, ...more].join(' AND ')} ORDER BY seq DESC LIMIT :limit`
  if (statuses.length < 2) return { sql: select(statuses), parameters }
  const selects = statuses.map((one) => `(${select([one])})`)
  return { sql: `${selects.join(' UNION ALL ')} ORDER BY seq DESC LIMIT :limit`, parameters }
}
