import type { DownloadRecord, JobStore } from '../../ports.ts'
import { narrowed, type Wanted } from '../list-filter.ts'
import type { Database, Parameters } from './database.ts'
import { labelCondition, labelled, type Labels } from './labels.ts'
import { toDownload } from '../rows.ts'

/** So many of the newest downloads are looked at one by one for labels, before the clients with these labels are. */
const WINDOW = 1000

/**
 * Lists of downloads. Each walks one index in the order of the list and stops at its limit, so that it costs what it
 * shows and not what is stored. What the index does not hold is checked row by row: within a batch or a note the status,
 * within those and a client the path.
 */
export function createDownloadLists({ db }: { db: Database }): Pick<JobStore, 'listDownloads'> {
  const newest = (wanted: Wanted): DownloadRecord[] => {
    const { sql, parameters } = statementOf(wanted)
    return db.all(sql, parameters).map(toDownload)
  }

  const hasLabels = (id: string, labels: Labels): boolean => {
    const { sql, parameters } = labelCondition(':id', labels)
    return db.one(`SELECT 1 WHERE ${sql}`, { ...parameters, id }) !== undefined
  }

  /** Clients with these labels by their newest download that is wanted, newest first. */
  const heads = (wanted: Wanted, labels: Labels): { clientId: string; seq: number }[] => {
    const clients = labelled(labels)
    const { status, limit } = wanted
    const first = (index: string, more: string): string =>
      `(SELECT max(seq) FROM downloads INDEXED BY ${index}
        WHERE client_id = chosen.client_id ${more} AND seq < :before)`
    const head = status
      ? `(SELECT max(${first('downloads_of_client_by_status', 'AND status = statuses.value')}) FROM json_each(:statuses) AS statuses)`
      : first('downloads_of_client', '')
    const rows = db.all(
      `SELECT client_id, seq FROM (SELECT client_id, ${head} AS seq FROM (${clients.sql}) AS chosen)
       WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT +:limit`,
      {
        ...clients.parameters,
        ...(status ? { statuses: JSON.stringify(status) } : {}),
        before: wanted.before ?? Number.MAX_SAFE_INTEGER,
        limit,
      },
    )
    return rows.map((row) => ({ clientId: String(row['client_id']), seq: Number(row['seq']) }))
  }

  /** Where few of the newest have the labels: the lists of the clients that have, merged. */
  const merged = (wanted: Wanted, labels: Labels): DownloadRecord[] => {
    let found: DownloadRecord[] = []
    for (const { clientId, seq } of heads(wanted, labels)) {
      const last = found[wanted.limit - 1]?.seq ?? 0
      if (seq < last) break
      const own = newest({ ...wanted, clientId, labels: undefined, from: last })
      found = [...found, ...own].toSorted((a, b) => b.seq - a.seq).slice(0, wanted.limit)
    }
    return found
  }

  return {
    async listDownloads({ labels = {}, ...filter }) {
      if (filter.status?.length === 0) return []
      if (Object.keys(labels).length === 0) return newest(filter)
      if (filter.clientId !== undefined) return hasLabels(filter.clientId, labels) ? newest(filter) : []
      if (filter.batchId !== undefined || filter.note !== undefined) return newest({ ...filter, labels })
      const top = filter.before ?? Number(db.one('SELECT max(seq) AS seq FROM downloads')?.['seq'] ?? 0) + 1
      const near = newest({ ...filter, labels, from: top - WINDOW })
      return near.length < filter.limit && top > WINDOW ? merged(filter, labels) : near
    },
  }
}

/** One SELECT, or one for each status, which SQLite merges: each is in the order of the list by its index. */
function statementOf(wanted: Wanted): { sql: string; parameters: Parameters } {
  const { labels } = wanted
  const { conditions, statuses, parameters } = narrowed(wanted)
  if (labels) {
    const condition = labelCondition('downloads.client_id', labels)
    conditions.push(condition.sql)
    Object.assign(parameters, condition.parameters)
  }
  const select = (more: string[]): string =>
    `SELECT * FROM downloads ${indexFor(wanted)} WHERE ${['TRUE', ...conditions, ...more].join(' AND ')}`
  const selects = statuses.length === 0 ? [select([])] : statuses.map((one) => select([one]))
  return { sql: `${selects.join(' UNION ALL ')} ORDER BY seq DESC LIMIT +:limit`, parameters }
}

/** SQLite has no statistics to choose by: what narrows most comes first. */
function indexFor({ batchId, note, clientId, status }: Wanted): string {
  if (batchId !== undefined) return 'INDEXED BY downloads_of_batch'
  if (note !== undefined) return 'INDEXED BY downloads_by_note'
  if (clientId !== undefined) return `INDEXED BY ${status ? 'downloads_of_client_by_status' : 'downloads_of_client'}`
  return status ? 'INDEXED BY downloads_by_status' : 'NOT INDEXED'
}
