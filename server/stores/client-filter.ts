import type { ClientFilter } from '../ports.ts'
import type { LabelSql } from './label-sql.ts'

/** What the databases have different words for. */
export interface ClientSql<P, L> extends Pick<LabelSql<P>, 'labelled'> {
  /** Where a text is within another, the function's name. */
  position: 'instr' | 'strpos'
  /** A condition that the id is one of those in the parameter of this name. */
  idIn(name: string): string
  /** Ids as such a parameter. */
  idsOf(ids: readonly string[]): L
}

/**
 * The list of clients, by their ids, as a statement with named parameters. What is looked through is what is shown, but for
 * a search and for those that were seen, where the database compares every client until the page is full.
 */
export function createClientList<P extends object, L>({
  position,
  idIn,
  idsOf,
  labelled,
}: ClientSql<P, L>): (filter: ClientFilter) => {
  sql: string
  parameters: Partial<P> & Record<string, string | number | L>
} {
  return ({ labels = {}, search, seen, after, limit }) => {
    const clients = Object.keys(labels).length === 0 ? undefined : labelled(labels)
    const conditions = [
      ...(clients ? [`id IN (${clients.sql})`] : []),
      ...(search === undefined ? [] : [`${position}(lower(id), :search) > 0`]),
      ...(seen === undefined ? [] : [`(last_seen > :seen_after OR ${idIn('seen_ids')})`]),
      ...(after === undefined ? [] : ['id > :after']),
    ]
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    return {
      sql: `SELECT * FROM clients ${where} ORDER BY id ${limit === undefined ? '' : 'LIMIT :limit'}`,
      parameters: {
        ...clients?.parameters,
        ...(search === undefined ? {} : { search: search.toLowerCase() }),
        ...(seen === undefined ? {} : { seen_after: seen.after, seen_ids: idsOf(seen.orIds) }),
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
      } as Partial<P> & Record<string, string | number | L>,
    }
  }
}
