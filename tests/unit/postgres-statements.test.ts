import { expect, test } from '@jest/globals'
import { createStatements } from '../../server/stores/postgres/statements.ts'

test('named parameters become numbered ones; literals and casts stay', () => {
  const statementOf = createStatements()
  const sql = `SELECT ':no' || 'it''s :no', :b::text, :a::bigint[] FROM x WHERE y = :b`
  const statement = statementOf(sql)
  expect(statement.text).toBe(`SELECT ':no' || 'it''s :no', $1::text, $2::bigint[] FROM x WHERE y = $1`)
  expect(statement.names).toEqual(['b', 'a'])
  expect(statementOf(sql)).toBe(statement)
})

test('texts have names of their own, and those that come late have none', () => {
  const statementOf = createStatements()
  const names = Array.from({ length: 400 }, (_, n) => statementOf(`SELECT ${n}`).name)
  const named = names.filter((name) => name !== undefined)
  expect(new Set(named).size).toBe(named.length)
  expect(named.length).toBeGreaterThan(100)
  expect(names.at(-1)).toBeUndefined()
})
