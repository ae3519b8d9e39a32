import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Needs } from './lacking.ts'
import { until } from './until.ts'

export const needsTerminal: Needs = { programs: ['tmux'] }

/** A real terminal, that of tmux, with one program in it. */
export interface Terminal {
  /** Its lines as somebody sees them. */
  lines(): Promise<string[]>
  /** Waits until all that is seen matches, or a line ends so. @returns all that is seen */
  shows(what: RegExp | string): Promise<string>
  resize(columns: number, rows: number): Promise<void>
  /** Presses keys by tmux's names for them: `C-c`, `Tab`, `Enter`. */
  press(...keys: string[]): Promise<void>
  type(text: string): Promise<void>
  /** What the program has done to it. */
  state(): Promise<{ cursor: boolean; alternate: boolean }>
  close(): Promise<void>
}

export interface TerminalOptions {
  command: string[]
  env: Record<string, string>
  columns: number
  rows: number
  cwd: string
}

export async function openTerminal({ command, env, columns, rows, cwd }: TerminalOptions): Promise<Terminal> {
  // A socket's path must be short.
  const folder = await mkdtemp(join(tmpdir(), 'tmux-'))
  const tmux = async (...args: string[]): Promise<string> => {
    const options = { cwd, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', ...env, TMUX_TMPDIR: folder } }
    return (await promisify(execFile)('tmux', ['-u', '-f', '/dev/null', ...args], options)).stdout
  }
  await tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), '--', ...command)
  const lines = async (): Promise<string[]> => (await tmux('capture-pane', '-p')).trimEnd().split('\n')

  return {
    lines,
    async shows(what) {
      let seen = ''
      await until(`the terminal to show ${what}`, async () => {
        seen = (await lines()).join('\n')
        return typeof what === 'string' ? `${seen}\n`.includes(`${what}\n`) : what.test(seen)
      }).catch((error: unknown) => {
        throw new Error(`it shows:\n${seen}`, { cause: error })
      })
      return seen
    },
    resize: async (width, height) => void (await tmux('resize-window', '-x', String(width), '-y', String(height))),
    press: async (...keys) => void (await tmux('send-keys', ...keys)),
    type: async (text) => void (await tmux('send-keys', '-l', text)),
    async state() {
      const [cursor, alternate] = (await tmux('display-message', '-p', '#{cursor_flag} #{alternate_on}'))
        .trim()
        .split(' ')
      return { cursor: cursor === '1', alternate: alternate === '1' }
    },
    async close() {
      await tmux('kill-server')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
