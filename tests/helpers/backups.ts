import { join } from 'node:path'
import { start } from './process.ts'
import type { Json } from './stack.ts'

/** Where a server's data lie. */
export interface Place {
  database: string
  storage: string
}

export const placeIn = (folder: string): Place => ({
  database: join(folder, 'data', 'backhaul.db'),
  storage: join(folder, 'downloads'),
})

export const envOf = ({ database, storage }: Place): Record<string, string> => ({
  DATABASE_URL: `sqlite:${database}`,
  STORAGE_URL: `file:${storage}`,
})

/** A command of the server, running. */
export const startCommand = (place: Place, ...args: string[]) => start('server/main.ts', args, envOf(place))

/** Runs a command of the server to its end. @returns its exit code, and what it said with `--json` */
export async function command(
  place: Place,
  ...args: string[]
): Promise<{ code: number | null; said: Json; text: string }> {
  const running = startCommand(place, ...args, '--json', '--quiet')
  const code = await running.exited
  const text = running.output()
  return { code, said: JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Json, text }
}
