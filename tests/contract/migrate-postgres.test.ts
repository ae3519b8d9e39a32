import { expect, test } from '@jest/globals'
import { openDatabase } from '../../server/stores/postgres/database.ts'
import { migrations } from '../../server/stores/postgres/schema.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'

describeWith({ otherwise: postgresLacking() }, 'the tables on PostgreSQL', () => {
  test('are made once, however many servers start at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const url = await databaseUrl()
      const opened = await Promise.all(Array.from({ length: 6 }, () => openDatabase({ url })))
      for (const db of opened) {
        expect(await db.query('SELECT version FROM schema_version')).toEqual([{ version: migrations.length }])
        await db.close()
      }
    }
  })
})
