import { Writable } from 'node:stream'
import { pino, type Logger } from 'pino'
import { escapeJson } from './format.ts'
import { openLogFile } from './log-file.ts'
import type { Progress } from './progress.ts'

export type Log = Logger
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Bytes of lines that could not be written yet; more are dropped. */
const MAX_WAITING = 1024 * 1024

/**
 * JSON lines on standard output; on a terminal, lines for people, above the progress bars.
 * @param file takes the lines of JSON instead
 * @param mixin what each line says beside its own, in an object of its own
 * @throws Error of a file that cannot be written
 */
export async function createLog({
  level,
  progress,
  file,
  mixin = () => ({}),
}: {
  level: LogLevel
  progress: Progress
  file?: string | undefined
  mixin?: () => object
}): Promise<Log> {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    hooks: { streamWrite: escapeJson },
    mixin,
  }
  if (file !== undefined) return pino(options, openLogFile(file))
  if (!process.stdout.isTTY) return pino(options, lines())
  // Only people need it, and it costs memory.
  const { default: pretty } = await import('pino-pretty')
  const above = new Writable({
    write(line: Buffer, _encoding, done) {
      progress.print(line.toString())
      done()
    },
  })
  return pino(
    options,
    pretty({ destination: above, colorize: true, sync: true, singleLine: true, translateTime: 'SYS:HH:MM:ss' }),
  )
}

/** Standard output may be a file on a full disk: what does not fit waits, up to a bound, and ends nothing. */
function lines(): pino.DestinationStream {
  const stream = pino.destination({ dest: 1, sync: true, maxLength: MAX_WAITING })
  stream.on('error', () => undefined)
  return stream
}
