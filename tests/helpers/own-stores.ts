import { databaseUrl } from './postgres.ts'
import { sharedStores, type SharedStores } from './shared-stores.ts'

/** The same for a file of the run that has no PostgreSQL for all: the file's own. The run's configuration cannot import that. */
export async function ownStores(): Promise<SharedStores> {
  return sharedStores(await databaseUrl())
}
