import { setImmediate } from 'node:timers/promises'
import { unfinishedStatuses } from '../../shared/protocol.ts'
import type { JobStore } from '../ports.ts'
import { mayClient, mayPath, type Principal } from './access/principal.ts'
import type { Counts } from './overview.ts'
import type { Presence } from './presence.ts'

/** Rows that are looked through at once; others have their turn between. */
const AT_ONCE = 500

/** Counts what a caller may see and nothing else, row by row. */
export async function countOwn(
  caller: Principal,
  { jobs, presence }: { jobs: Pick<JobStore, 'listClients' | 'listDownloads'>; presence: Pick<Presence, 'isOnline'> },
): Promise<Omit<Counts, 'at'>> {
  const clients = { known: 0, online: 0 }
  const downloads = { queued: 0, transferring: 0, verifying: 0 }
  const someClients = (after: string | undefined) => jobs.listClients({ after, limit: AT_ONCE })
  for await (const client of everyRow(someClients, ({ id }) => id)) {
    if (!mayClient(caller, client.id)) continue
    clients.known += 1
    if (presence.isOnline(client)) clients.online += 1
  }
  const someDownloads = (before: number | undefined) =>
    jobs.listDownloads({ status: unfinishedStatuses, before, limit: AT_ONCE })
  for await (const { clientId, path, status } of everyRow(someDownloads, ({ seq }) => seq)) {
    const counted = unfinishedStatuses.find((one) => one === status)
    if (counted !== undefined && mayClient(caller, clientId) && mayPath(caller, path)) downloads[counted] += 1
  }
  return { clients, downloads }
}

async function* everyRow<Row, Cursor>(
  list: (cursor: Cursor | undefined) => Promise<Row[]>,
  cursorOf: (row: Row) => Cursor,
): AsyncGenerator<Row> {
  for (let rows = await list(undefined); rows.length > 0;) {
    yield* rows
    const last = rows.at(-1)
    rows = rows.length < AT_ONCE || last === undefined ? [] : await list(cursorOf(last))
    await setImmediate()
  }
}
