import { UNIT } from './paths.ts'
import { runIn } from './run.ts'

/** What systemd says of the service. */
export interface UnitState {
  /** `active`, `activating`, `failed`, `inactive` … */
  active: string
  result: string
  /** Of the main process that ended last. */
  exitStatus: string
  since: string
  restarts: number
  /** What the agent says of itself (agent/standing.ts). */
  words: string
  /** Which run this is, or was. */
  invocation: string
}

/** A line that the service has printed; what is no JSON of the agent's has its text only. */
export interface Line {
  msg: string
  time?: string
  /** As pino counts: 30 is information, 40 a warning, 50 an error. */
  level?: number
  id?: string
}

export interface Systemd {
  /** @throws Error with what the command said */
  control(...args: string[]): Promise<void>
  /** @param unit by default the service */
  state(unit?: string): Promise<UnitState>
  /** The last lines of one run, oldest first. */
  lines(invocation: string, count: number): Promise<Line[]>
}

const properties = {
  active: 'ActiveState',
  result: 'Result',
  exitStatus: 'ExecMainStatus',
  since: 'ActiveEnterTimestamp',
  restarts: 'NRestarts',
  words: 'StatusText',
  invocation: 'InvocationID',
}

/** The systemd of this machine, by its own commands. */
export function openSystemd(): Systemd {
  return {
    async control(...args) {
      await command('systemctl', args)
    },
    async state(unit = UNIT) {
      const text = await command('systemctl', ['show', unit, `--property=${Object.values(properties).join(',')}`])
      const found = new Map(text.split('\n').map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]))
      const of = (name: keyof typeof properties): string => found.get(properties[name]) ?? ''
      return {
        active: of('active'),
        result: of('result'),
        exitStatus: of('exitStatus'),
        since: of('since'),
        restarts: Number(of('restarts')),
        words: of('words'),
        invocation: of('invocation'),
      }
    },
    async lines(invocation, count) {
      if (invocation === '') return []
      const args = ['--no-pager', '-o', 'cat', '-n', String(count), `_SYSTEMD_INVOCATION_ID=${invocation}`]
      const text = await command('journalctl', args)
      return text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('-- '))
        .map(toLine)
    },
  }
}

const command = (file: string, args: readonly string[]): Promise<string> =>
  runIn({ ...process.env, LC_ALL: 'C' }, file, args)

/** A line of the journal. */
export function toLine(text: string): Line {
  try {
    const line: unknown = JSON.parse(text)
    if (typeof line === 'object' && line !== null && 'msg' in line) return line as Line
  } catch {
    // What Node or the system say is no JSON.
  }
  return { msg: text }
}
