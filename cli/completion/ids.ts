import { clientIdPattern, openStatuses } from '../../shared/protocol.ts'
import type { Api } from '../api.ts'
import { fileOf } from '../describe.ts'
import { downloadIdPattern } from '../options.ts'
import type { Candidate } from './words.ts'

/** More are no help to anybody who looks for one. */
const MOST_DOWNLOADS = 50
const MOST_CLIENTS = 500

/** Of which downloads a command can be about; of any, where it is not here. */
const statusesFor: Readonly<Record<string, string>> = {
  cancel: [...openStatuses, 'verifying'].join(','),
  retry: 'failed,expired',
}

/** The ids of clients, those online first. @throws CliError as the Api does */
export async function clientIds(api: Pick<Api, 'clients'>, typed: string): Promise<Candidate[]> {
  const { clients } = (await api.clients([['status', 'all']])).value
  return (
    clients
      // What a shell would take for more than a word is not given to one.
      .filter(({ id }) => id.startsWith(typed) && clientIdPattern.test(id))
      .toSorted((one, other) => (one.status > other.status ? -1 : one.status < other.status ? 1 : 0))
      .slice(0, MOST_CLIENTS)
      .map(({ id, status }) => ({ word: id, about: status }))
  )
}

/**
 * The ids of the newest downloads that a command can be about.
 * @param command its name
 * @throws CliError as the Api does
 */
export async function downloadIds(api: Pick<Api, 'downloads'>, command: string): Promise<Candidate[]> {
  const status = statusesFor[command]
  const query: [string, string][] = [['limit', String(MOST_DOWNLOADS)]]
  if (status !== undefined) query.push(['status', status])
  const { downloads } = (await api.downloads(query)).value
  return downloads
    .filter(({ id }) => downloadIdPattern.test(id))
    .map((download) => ({ word: download.id, about: `${download.status}, ${download.clientId}, ${fileOf(download)}` }))
}
