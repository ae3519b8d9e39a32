import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { administratorsPath } from './lacking.ts'

/** Runs a program of the system's administrator. @returns what it printed @throws Error when it fails */
export async function run(program: string, ...args: string[]): Promise<string> {
  const env = { PATH: administratorsPath }
  return (await promisify(execFile)(program, args, { env, maxBuffer: 16 * 1024 * 1024 })).stdout
}
