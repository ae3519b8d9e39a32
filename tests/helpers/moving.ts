import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { ADMIN, bearer } from './admin.ts'
import { putChunk } from './chunks.ts'
import { sha256Of, writeRandom } from './folder.ts'
import { enrolledSite } from './keyed-site.ts'
import { databaseUrl } from './postgres.ts'
import { start, type Running } from './process.ts'
import { s3Place, type S3Place } from './s3.ts'
import { startStack, type Json, type Stack } from './stack.ts'

const MiB = 1024 * 1024

/** A new database and a new place in a bucket: where a server moves to. */
export interface NewHome {
  url: string
  place: S3Place
  /** What tells the command of it. */
  to: Record<string, string>
  /** What a server there is started with. */
  env: Record<string, string>
}

/** Keys of the object store, as the environment of the tests has them. */
function s3Env(place: S3Place): Record<string, string> {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION']
  return {
    S3_ENDPOINT: place.endpoint,
    ...Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  }
}

export async function newHome(endpoint?: string): Promise<NewHome> {
  const [url, place] = [await databaseUrl(), s3Place()]
  const store = { ...s3Env(place), ...(endpoint === undefined ? {} : { S3_ENDPOINT: endpoint }) }
  return {
    url,
    place,
    to: { TO_DATABASE_URL: url, TO_STORAGE_URL: place.url, ...store },
    env: { DATABASE_URL: url, STORAGE_URL: place.url, ...s3Env(place) },
  }
}

/** The move of a stack's server, running. */
export function startMove(stack: Stack, to: Record<string, string>, ...args: string[]): Running {
  const from = {
    DATABASE_URL: `sqlite:${join(stack.folder, 'data', 'backhaul.db')}`,
    STORAGE_URL: `file:${stack.downloads}`,
  }
  return start('server/main.ts', ['move', ...args], { ...from, ...to })
}

/** Runs the move to its end. @returns its exit code, and what it said with `--json` */
export async function runMove(
  stack: Stack,
  to: Record<string, string>,
  ...args: string[]
): Promise<{ code: number | null; said: Json; text: string }> {
  const running = startMove(stack, to, ...args, '--json', '--quiet')
  const code = await running.exited
  const text = running.output()
  return { code, said: JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Json, text }
}

/** A server on SQLite and a disk that lets nobody in without a token, and the place where it is to move to; both with `more`. */
export async function startMoving(more: Record<string, string> = {}) {
  const env: Record<string, string> = { AUTH: 'on', ADMIN_TOKEN: ADMIN, ...more }
  const stack = await startStack(env)
  const home = await newHome()
  const database = join(stack.folder, 'data', 'backhaul.db')

  /** The server of before, at its new place and on its old port. */
  const startThere = async (): Promise<void> => {
    Object.assign(env, home.env)
    await stack.restart()
  }

  const contentOf = async (id: string): Promise<Buffer> => {
    const response = await fetch(`${stack.url}/downloads/${id}/content`, {
      headers: bearer(ADMIN),
    })
    expect(response.status).toBe(200)
    return Buffer.from(await response.arrayBuffer())
  }

  /** A finished file of a site of its own. */
  const finished = async (id: string, size: number): Promise<{ download: Json; sha256: string }> => {
    const file = join(stack.folder, id)
    const sha256 = await writeRandom(file, size)
    const agent = await stack.online(id, ['--file', file])
    const download = await stack.reached((await stack.ask({ clientId: id }))['id'], 'completed')
    await agent.kill('SIGTERM')
    return { download, sha256 }
  }

  /** A job that failed in the middle, of a client that has a key, and whose session goes on. */
  const failedHalfway = async () => {
    const site = await enrolledSite(stack)
    const session = await site.enter()
    const content = randomBytes(3 * MiB)
    const { id } = await stack.ask({ clientId: site.clientId })
    const own = { authorization: `Bearer ${session.token}`, 'agent-session': session.session }
    const begin = () => stack.post(`/jobs/${id}/begin`, { source: 'v1', size: content.byteLength }, own)
    const put = (from: number, to: number) =>
      putChunk(stack, id, {
        session: session.session,
        attempt: 1,
        start: from,
        bytes: content.subarray(from, to),
        total: content.byteLength,
        headers: own,
      })
    expect((await begin()).status).toBe(200)
    expect((await put(0, MiB)).status).toBe(204)
    expect((await put(2 * MiB, 3 * MiB)).status).toBe(204)
    expect((await stack.post(`/jobs/${id}/fail`, { attempt: 1, code: 'io-error' }, own)).status).toBe(200)
    const complete = () => {
      const end = { attempt: 1, size: content.byteLength, sha256: sha256Of(content) }
      return stack.post(`/jobs/${id}/complete`, end, own)
    }
    return { id: String(id), begin, put, complete }
  }

  /** Starts the server of before, as it was. */
  const startOld = (): Running =>
    start('server/main.ts', [], { DATABASE_URL: `sqlite:${database}`, STORAGE_URL: `file:${stack.downloads}` })

  const stop = async (): Promise<void> => {
    await stack.stop()
    await home.place.remove()
  }

  return { stack, home, database, startThere, startOld, contentOf, finished, failedHalfway, stop }
}
export type Moving = Awaited<ReturnType<typeof startMoving>>
