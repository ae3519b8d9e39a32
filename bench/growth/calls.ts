import { randomBytes, randomUUID } from 'node:crypto'
import { formatDigest, sha256 } from '../../shared/digest.ts'
import { batchOf, idOf } from './rows.ts'

/** A call whose time is measured. */
export interface Call {
  name: string
  /** The bound is upon the sum of these: queueing, polling and lists. */
  bounded: boolean
  make(): Promise<unknown>
}

const PAGE = 20
const CHUNK = 64 * 1024
const chunk = randomBytes(CHUNK)
const chunkDigest = formatDigest(sha256().update(chunk).digest('hex'))

/** The calls upon one server with so many downloads. */
export async function callsOf(url: string, downloads: number): Promise<Call[]> {
  const get = (path: string) => async () => answered(await fetch(url + path))
  const post = async (path: string, body: unknown, headers = {}): Promise<Record<string, unknown>> =>
    (await answered(
      await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    )) as Record<string, unknown>
  const list = (name: string, filter: string): Call => ({
    name: `list: ${name}`,
    bounded: true,
    make: get(`/downloads?limit=${PAGE}${filter}`),
  })
  const middle = Math.floor(downloads / 2)

  return [
    {
      name: 'queue',
      bounded: true,
      make: () => post('/downloads', { clientId: 'site-3', path: '/srv/export/new.csv' }),
    },
    { name: 'poll: one open job', bounded: true, make: get('/jobs?client=site-1') },
    { name: 'poll: none', bounded: true, make: get('/jobs?client=site-2') },
    list('newest', ''),
    list('from the middle on', `&cursor=${middle}`),
    list('of a client', '&client=site-5'),
    list('of a client with a fifth of all', '&client=busy'),
    list('the same, of a status that is rare', '&client=busy&status=cancelled'),
    list('of a status', '&status=failed'),
    list('of a status that is rare', '&status=expired'),
    list('of three statuses that are rare', '&status=expired,cancelled,verifying'),
    list('of a label that many have', '&label=site%3Dsite-4'),
    list('of a label that is rare', '&label=use%3Dseldom'),
    list('of a rare label and a status', '&label=use%3Dseldom&status=expired'),
    list('of a note', `&note=ticket-${Math.floor(middle / 25)}`),
    list('of a batch', `&batch=${batchOf(Math.floor(middle / 60))}`),
    { name: 'a client', bounded: false, make: get('/clients/site-5') },
    { name: 'a download', bounded: false, make: get(`/downloads/${idOf(middle)}`) },
    { name: 'a chunk of 64 KiB', bounded: false, make: await chunkCall(url, post) },
    { name: 'metrics', bounded: false, make: get('/metrics') },
  ]
}

/** Sends the next chunk of a large file. */
async function chunkCall(
  url: string,
  post: (path: string, body: unknown, headers?: object) => Promise<Record<string, unknown>>,
): Promise<() => Promise<unknown>> {
  const size = 10_000 * CHUNK
  const agent = { version: 'bench', platform: 'bench', hostname: 'bench' }
  const session = await post('/sessions', {
    protocol: 1,
    clientId: 'site-7',
    instance: randomUUID(),
    takeover: true,
    agent,
    shared: [],
    labels: {},
  })
  const own = { 'agent-session': String(session['session']) }
  const { id } = await post('/downloads', { clientId: 'site-7' })
  const { attempt } = await post(`/jobs/${String(id)}/begin`, { source: 'v1', size }, own)
  let start = 0
  return async () => {
    const range = `bytes ${start}-${start + CHUNK - 1}/${size}`
    start += CHUNK
    return answered(
      await fetch(`${url}/jobs/${String(id)}/file`, {
        method: 'PUT',
        headers: { ...own, attempt: String(attempt), 'content-range': range, 'content-digest': chunkDigest },
        body: chunk,
      }),
    )
  }
}

/** The answer's body, read to its end. @throws Error unless the call was successful */
async function answered(response: Response): Promise<unknown> {
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url} was answered ${response.status}: ${text}`)
  return response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text
}
