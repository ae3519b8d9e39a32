import { join } from 'node:path'
import { fill, fillPostgres } from '../growth/fill.ts'
import { openPlace } from '../shared/place.ts'
import { startBenchStack, type BenchStack } from '../stack.ts'

export const storeNames = ['sqlite', 'shared'] as const
export type StoreName = (typeof storeNames)[number]

/** A server with so many downloads in its database. */
export interface Filled {
  server: BenchStack
  /** Of the database, where it is a program of its own. */
  databasePid: number | undefined
  stop(): Promise<void>
}

export const titles: Record<StoreName, string> = { sqlite: 'SQLite', shared: 'PostgreSQL + S3' }

/** Starts a server on one kind of stores. @param folder what is stored lies below it */
export async function startFilled(name: StoreName, folder: string, downloads: number): Promise<Filled> {
  if (name === 'sqlite') {
    const server = await startBenchStack({
      folder: join(folder, 'server'),
      fill: (made) => fill(join(made, 'db'), downloads),
    })
    return { server, databasePid: undefined, stop: () => server.stop() }
  }
  const place = await openPlace(folder)
  try {
    const servers = await place.start({ fill: (database) => fillPostgres(database, downloads) })
    return {
      server: servers.all[0]!,
      databasePid: place.postgresPid(),
      async stop() {
        await servers.stop()
        await place.remove()
      },
    }
  } catch (error) {
    await place.remove()
    throw error
  }
}
