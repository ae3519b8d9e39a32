import { afterAll } from '@jest/globals'
import { postgresLacking, startPostgres, type PostgresServer } from './postgres-server.ts'

export { postgresLacking }

let started: Promise<PostgresServer> | undefined

/** This test file's PostgreSQL, started with the first call, and removed with the file's last test. */
export function postgres(): Promise<PostgresServer> {
  return (started ??= startPostgres())
}

/** A fresh database of this test file's PostgreSQL. */
export async function databaseUrl(): Promise<string> {
  return (await postgres()).newDatabase()
}

afterAll(async () => {
  await (await started)?.remove()
})
