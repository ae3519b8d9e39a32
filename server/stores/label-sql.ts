export type Labels = Readonly<Record<string, string>>

interface Part<P> {
  sql: string
  parameters: P
}

/** What is asked of labels, in SQL. */
export interface LabelSql<P> {
  /** A condition that `column` is a client with all of `labels`; one text however many there are, as statements are kept. */
  labelCondition(column: string, labels: Labels): Part<P>
  /** The clients with all of `labels`, one or more, as a SELECT of `client_id`. */
  labelled(labels: Labels): Part<P>
}

/**
 * @param wanted SQL that joins the table `labels` to the wanted ones, whose number is `:label_count`
 * @param parametersOf what it refers to
 */
export function createLabelSql<P>(wanted: string, parametersOf: (labels: Labels) => P): LabelSql<P> {
  return {
    labelCondition: (column, labels) => ({
      sql: `(SELECT count(*) FROM ${wanted} AND labels.client_id = ${column}) = :label_count`,
      parameters: parametersOf(labels),
    }),
    labelled: (labels) => ({
      sql: `SELECT labels.client_id FROM ${wanted} GROUP BY labels.client_id HAVING count(*) = :label_count`,
      parameters: parametersOf(labels),
    }),
  }
}
