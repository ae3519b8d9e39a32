import type { DownloadFilter } from '../ports.ts'

/** A filter, and the lowest `seq` that is of interest. */
export interface Wanted extends DownloadFilter {
  from?: number
}

export interface Narrowed {
  conditions: string[]
  /** One condition for each status that is wanted; none for all. */
  statuses: string[]
  parameters: Record<string, string | number>
}

/** What a filter of lists says, but for its labels, as conditions with named parameters; `limit` is one of these. */
export function narrowed(wanted: Wanted): Narrowed {
  const conditions: string[] = []
  const parameters: Narrowed['parameters'] = { limit: wanted.limit }
  const where = (sql: string, name: string, value: string | number | undefined): void => {
    if (value === undefined) return
    conditions.push(sql)
    parameters[name] = value
  }
  where('client_id = :client', 'client', wanted.clientId)
  where('batch_id = :batch', 'batch', wanted.batchId)
  where('note = :note', 'note', wanted.note)
  where('seq < :before', 'before', wanted.before)
  where('seq >= :from', 'from', wanted.from)
  if (wanted.path === null) conditions.push('path IS NULL')
  else where('path = :path', 'path', wanted.path)
  const statuses = [...new Set(wanted.status)].map((value, index) => {
    parameters[`status_${index}`] = value
    return `status = :status_${index}`
  })
  return { conditions, statuses, parameters }
}
