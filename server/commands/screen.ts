import { escapeJson, formatBytes, formatSeconds, printable } from '../../shared/format.ts'
import { createProgress } from '../../shared/progress.ts'
import type { Explained } from '../explain.ts'

/** Where a command says how far it is, and what came of it. */
export interface Screen {
  /** How many bytes there are to do in all. */
  expect(bytes: number): void
  /** So many more of them are done. */
  moved(bytes: number): void
  /** The result: lines for people, or one JSON document. */
  result(lines: readonly string[], document: object): void
  failed(explained: Explained): void
  /** Ends the bar. */
  stop(): void
}

/** How often a line says how far it is, where there is no terminal, in ms. */
const EVERY = 10_000

/** A bar on a terminal, elsewhere a line from time to time; both on standard error. */
export function createScreen({
  stdout,
  stderr,
  json,
  quiet,
}: {
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  json: boolean
  quiet: boolean
}): Screen {
  const bar = createProgress({ stream: stderr })
  const startedAt = performance.now()
  let toldAt = startedAt
  let [done, total] = [0, 0]

  const tell = (): void => {
    const now = performance.now()
    if (now - toldAt < EVERY) return
    toldAt = now
    const rate = done / ((now - startedAt) / 1000)
    const left = formatSeconds((total - done) / rate)
    stderr.write(`${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(Math.round(rate))}/s, ${left} left\n`)
  }

  return {
    expect(bytes) {
      total = bytes
    },
    moved(bytes) {
      done += bytes
      if (quiet) return
      if (stderr.isTTY) bar.update('bytes', 'copying', done, Math.max(done, total))
      else tell()
    },
    result(lines, document) {
      bar.stop()
      if (json) stdout.write(`${escapeJson(JSON.stringify(document, null, 2))}\n`)
      else for (const line of lines) stdout.write(`${printable(line)}\n`)
    },
    failed({ code, lines }) {
      bar.stop()
      if (json) stdout.write(`${escapeJson(JSON.stringify({ error: { code, message: lines.join('\n') } }))}\n`)
      for (const line of lines) stderr.write(`backhaul server: ${printable(line)}\n`)
    },
    stop: () => bar.stop(),
  }
}
