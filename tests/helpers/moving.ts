import { join } from 'node:path'
import { databaseUrl } from './postgres.ts'
import { start, type Running } from './process.ts'
import { s3Place, type S3Place } from './s3.ts'
import type { Json, Stack } from './stack.ts'

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
