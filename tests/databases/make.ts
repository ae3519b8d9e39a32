import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { formatDigest } from '../../shared/digest.ts'
import { sha256Of } from '../helpers/folder.ts'
import { projectFolder } from '../helpers/process.ts'
import { dumped, stored, storedContent, storedPath } from '../helpers/stored-database.ts'
import { until } from '../helpers/until.ts'

// node tests/databases/make.ts COMMIT
// Has the server of a commit make a database with a download in every state, and stores it under its schema's version.
const [commit = 'HEAD'] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'backhaul-old-'))
const program = join(folder, 'program')
mkdirSync(program)
const archive = execFileSync('git', ['archive', commit], { cwd: projectFolder, maxBuffer: 1024 ** 3 })
execFileSync('tar', ['-x', '-C', program], { input: archive })
symlinkSync(join(projectFolder, 'node_modules'), join(program, 'node_modules'))

const database = join(folder, 'backhaul.db')
const server = spawn(process.execPath, ['server/main.ts'], {
  cwd: program,
  env: { DATABASE_URL: `sqlite:${database}`, STORAGE_URL: `file:${join(folder, 'downloads')}`, PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
let port = 0
for await (const line of createInterface(server.stdout)) {
  const { msg, port: bound } = JSON.parse(line) as { msg: string; port: number }
  if (msg !== 'listening') continue
  port = bound
  break
}
server.stdout.resume()

type Json = Record<string, unknown>
type Call = [method: string, path: string, body?: unknown, headers?: Record<string, string>]

async function call(...[method, path, body, headers = {}]: Call): Promise<Json> {
  const bytes = Buffer.isBuffer(body)
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: body === undefined || bytes ? headers : { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: bytes ? new Uint8Array(body) : JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`)
  return text === '' ? {} : (JSON.parse(text) as Json)
}

const content = storedContent()

/** A session of a client. @returns its headers */
async function session(clientId: string): Promise<Record<string, string>> {
  const agent = { version: '0.0.1', platform: 'linux-x64', hostname: 'till' }
  const instance = `instance-of-${clientId}`.padEnd(20, '-')
  const labels = { region: 'north' }
  const begun = await call('POST', '/sessions', {
    protocol: 1,
    clientId,
    instance,
    takeover: true,
    agent,
    shared: ['/srv'],
    labels,
  })
  return { 'agent-session': String(begun['session']) }
}

async function ask(clientId: string, more: Json = {}): Promise<string> {
  return String((await call('POST', '/downloads', { clientId, path: 'menu.txt', note: 'night', ...more }))['id'])
}

async function begin(clientId: string, more: Json = {}): Promise<{ id: string; headers: Record<string, string> }> {
  const headers = await session(clientId)
  const id = await ask(clientId, more)
  await call(
    'POST',
    `/jobs/${id}/begin`,
    { source: `size-${stored.size}`, size: stored.size, path: '/srv/menu.txt' },
    headers,
  )
  return { id, headers }
}

const put = (
  { id, headers }: { id: string; headers: Record<string, string> },
  start: number,
  end: number,
): Promise<Json> =>
  call('PUT', `/jobs/${id}/file`, content.subarray(start, end), {
    ...headers,
    attempt: '1',
    'content-range': `bytes ${start}-${end - 1}/${stored.size}`,
    'content-digest': formatDigest(sha256Of(content.subarray(start, end))),
  })

const { clients } = stored
const done = await begin(clients.completed)
await put(done, 0, 100_000)
await put(done, 100_000, stored.size)
await call(
  'POST',
  `/jobs/${done.id}/complete`,
  { attempt: 1, size: stored.size, sha256: sha256Of(content) },
  done.headers,
)
const busy = await begin(clients.transferring, { policy: 'size-only' })
for (const [start, end] of stored.chunks) await put(busy, start, end)
const lost = { headers: await session(clients.failed), id: await ask(clients.failed) }
await call('POST', `/jobs/${lost.id}/fail`, { code: 'not-found', detail: 'It does not exist.' }, lost.headers)
await session(clients.queued)
await ask(clients.queued, { priority: 5 })
await session(clients.cancelled)
await call('DELETE', `/downloads/${await ask(clients.cancelled)}`)
await session(clients.expired)
const late = await ask(clients.expired, { expiresIn: 1 })
await until('it to expire', async () => (await call('GET', `/downloads/${late}`))['status'] === 'expired')

server.kill('SIGTERM')
await once(server, 'exit')
const db = new DatabaseSync(database)
const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
db.close()
writeFileSync(storedPath(version), dumped(database))
rmSync(folder, { recursive: true })
process.stdout.write(`${storedPath(version)}: made by ${commit}\n`)
