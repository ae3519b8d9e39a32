/** A statement as PostgreSQL takes it: `:name` has become `$1`, in the order of `names`. */
export interface Statement {
  text: string
  names: readonly string[]
  /** Under which a connection keeps it prepared; undefined for one of too many. */
  name: string | undefined
}

/** Each connection keeps what it prepared in memory: lists filtered in rare ways go without. */
const MOST_PREPARED = 300

/** Literals are left alone, and so are casts. */
const PARAMETER = /'(?:[^']|'')*'|::|:([A-Za-z_]\w*)/g

/** Turns statements with named parameters into PostgreSQL's, each text once. */
export function createStatements(): (sql: string) => Statement {
  const known = new Map<string, Statement>()
  return (sql) => {
    const before = known.get(sql)
    if (before) return before
    const names: string[] = []
    const text = sql.replace(PARAMETER, (match, name: string | undefined) => {
      if (name === undefined) return match
      if (!names.includes(name)) names.push(name)
      return `$${names.indexOf(name) + 1}`
    })
    const room = known.size < MOST_PREPARED
    const statement = { text, names, name: room ? `backhaul_${known.size + 1}` : undefined }
    if (room) known.set(sql, statement)
    return statement
  }
}
