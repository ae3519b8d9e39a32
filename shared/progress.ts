import cliProgress from 'cli-progress'
import { formatBytes, formatSeconds, printable } from './format.ts'

/** Bars for the transfers under way. Without a terminal there are none, and every call is a no-op. */
export interface Progress {
  /** Shows or moves the bar of `id`. `received` and `size` in bytes. */
  update(id: string, label: string, received: number, size: number): void
  remove(id: string): void
  /** Prints a finished line above the bars. */
  print(line: string): void
  stop(): void
}

interface Entry {
  bar: cliProgress.SingleBar
  startedAt: number
  startedWith: number
}

/** A bar for each transfer on `stream`, with its rate and the time left. */
export function createProgress({ stream }: { stream: NodeJS.WriteStream }): Progress {
  if (!stream.isTTY) {
    return {
      update: () => undefined,
      remove: () => undefined,
      print: (line) => void stream.write(line),
      stop: () => undefined,
    }
  }
  const entries = new Map<string, Entry>()
  let bars: cliProgress.MultiBar | undefined

  const open = (): cliProgress.MultiBar =>
    new cliProgress.MultiBar({
      stream,
      format: '{label} [{bar}] {percentage}% {received} of {size}  {rate}  {left} left',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
    })

  const stop = (): void => {
    bars?.stop()
    bars = undefined
    entries.clear()
  }

  return {
    update(id, label, received, size) {
      bars ??= open()
      let entry = entries.get(id)
      if (!entry) {
        entry = { bar: bars.create(Math.max(size, 1), 0), startedAt: Date.now(), startedWith: received }
        entries.set(id, entry)
      }
      const rate = (received - entry.startedWith) / Math.max((Date.now() - entry.startedAt) / 1000, 0.001)
      entry.bar.update(received, {
        label: printable(label),
        received: formatBytes(received),
        size: formatBytes(size),
        rate: `${formatBytes(Math.round(rate))}/s`,
        left: formatSeconds(rate > 0 ? (size - received) / rate : Number.NaN),
      })
    },
    remove(id) {
      const entry = entries.get(id)
      if (!entry || !bars) return
      bars.remove(entry.bar)
      entries.delete(id)
      if (entries.size === 0) stop()
    },
    print(line) {
      if (bars) bars.log(line)
      else stream.write(line)
    },
    stop,
  }
}
