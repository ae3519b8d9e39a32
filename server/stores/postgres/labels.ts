import type { Parameters } from './database.ts'

export type Labels = Readonly<Record<string, string>>

interface Part {
  sql: string
  parameters: Parameters
}

const WANTED = `unnest(:label_keys::text[], :label_values::text[]) AS wanted (key, value)
  JOIN labels ON labels.key = wanted.key AND labels.value = wanted.value`

const parametersOf = (labels: Labels): Parameters => ({
  label_keys: Object.keys(labels),
  label_values: Object.values(labels),
  label_count: Object.keys(labels).length,
})

/** A condition that `column` is a client with all of `labels`; one text however many there are, as statements are kept. */
export function labelCondition(column: string, labels: Labels): Part {
  const sql = `(SELECT count(*) FROM ${WANTED} AND labels.client_id = ${column}) = :label_count`
  return { sql, parameters: parametersOf(labels) }
}

/** The clients with all of `labels`, one or more, as a SELECT of `client_id`. */
export function labelled(labels: Labels): Part {
  const sql = `SELECT labels.client_id FROM ${WANTED} GROUP BY labels.client_id HAVING count(*) = :label_count`
  return { sql, parameters: parametersOf(labels) }
}
