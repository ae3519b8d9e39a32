import type { ClientFilter } from '../ports.ts'
import type { LabelSql } from './label-sql.ts'

type Value = string | number

/**
 * The list of clients, by their ids, as a statement with named parameters. What is looked through is what is shown, but for
 * a search, which compares the id of every client until the page is full.
 * @param position the database's name for where a text is within another
 */
export function createClientList<P extends object>(
  position: 'instr' | 'strpos',
  { labelled }: Pick<LabelSql<P>, 'labelled'>,
): (filter: ClientFilter) => { sql: string; parameters: Partial<P> & Record<string, Value> } {
  return ({ labels = {}, search, after, limit }) => {
    const clients = Object.keys(labels).length === 0 ? undefined : labelled(labels)
    const conditions = [
      ...(clients ? [`id IN (${clients.sql})`] : []),
      ...(search === undefined ? [] : [`${position}(lower(id), :search) > 0`]),
      ...(after === undefined ? [] : ['id > :after']),
    ]
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    return {
      sql: `SELECT * FROM clients ${where} ORDER BY id ${limit === undefined ? '' : 'LIMIT :limit'}`,
      parameters: {
        ...clients?.parameters,
        ...(search === undefined ? {} : { search: search.toLowerCase() }),
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
      } as Partial<P> & Record<string, Value>,
    }
  }
}
