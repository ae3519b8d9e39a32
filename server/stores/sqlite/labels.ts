import { createLabelSql } from '../label-sql.ts'

export type { Labels } from '../label-sql.ts'

const WANTED = `json_each(:labels) AS wanted CROSS JOIN labels ON labels.key = wanted.key AND labels.value = wanted.value`

export const { labelCondition, labelled } = createLabelSql(WANTED, (labels) => ({
  labels: JSON.stringify(labels),
  label_count: Object.keys(labels).length,
}))
