import { createLabelSql } from '../label-sql.ts'

export type { Labels } from '../label-sql.ts'

const WANTED = `unnest(:label_keys::text[], :label_values::text[]) AS wanted (key, value)
  JOIN labels ON labels.key = wanted.key AND labels.value = wanted.value`

export const { labelCondition, labelled } = createLabelSql(WANTED, (labels) => ({
  label_keys: Object.keys(labels),
  label_values: Object.values(labels),
  label_count: Object.keys(labels).length,
}))
