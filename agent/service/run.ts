import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { messageOf } from '../../shared/errors.ts'

/** Runs a command of the system, never through a shell. @returns what it printed @throws Error with what it complained of */
export type Run = (file: string, args: readonly string[]) => Promise<string>

const execute = promisify(execFile)

export const run: Run = (file, args) => runIn(process.env, file, args)

/** The same, with other variables of the environment. */
export async function runIn(env: NodeJS.ProcessEnv, file: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(file, args, { env, windowsHide: true, maxBuffer: 16 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new Error(`${file} ${args.join(' ')}: ${stderr.trim() || messageOf(error)}`, { cause: error })
  }
}
