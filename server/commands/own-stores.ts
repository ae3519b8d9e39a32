import { ConfigError } from '../../shared/env.ts'
import type { Config } from '../config.ts'

/**
 * The database and the folder of one server's own.
 * @throws ConfigError where several servers share them
 */
export function ownStores({ database, storage }: Config): { database: string; storage: string } {
  if (database.kind === 'sqlite' && storage.kind === 'file') return { database: database.path, storage: storage.folder }
  throw new ConfigError([
    'this command is for sqlite: and file:; PostgreSQL and the object store are backed up with their own tools, as docs/SCALING.md says',
  ])
}
