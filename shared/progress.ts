import type cliProgress from 'cli-progress'
import { barLine } from './bar-line.ts'
import { printable } from './format.ts'

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

const ERASE_BELOW = '\u001b[0J'

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
  let opening: Promise<void> | undefined

  /** Loaded with the first bar: services never show one, and it costs memory. */
  const open = async (): Promise<void> => {
    const { MultiBar } = await import('cli-progress')
    // Stopped meanwhile.
    if (!opening) return
    bars = new MultiBar({
      stream,
      format: (_options, { value, total }, { label, rate }: { label: string; rate: number }) =>
        barLine({ label, received: value, size: total, rate, columns: stream.columns }),
      hideCursor: true,
      // The bars fit by themselves, and a log line above them must not be cut.
      linewrap: true,
      clearOnComplete: true,
      gracefulExit: false,
    })
  }

  const stop = (): void => {
    bars?.stop()
    bars = undefined
    opening = undefined
    entries.clear()
  }

  return {
    update(id, label, received, size) {
      opening ??= open()
      if (!bars) return
      let entry = entries.get(id)
      if (!entry) {
        entry = { bar: bars.create(size, 0), startedAt: Date.now(), startedWith: received }
        entries.set(id, entry)
      }
      const seconds = Math.max((Date.now() - entry.startedAt) / 1000, 0.001)
      entry.bar.update(received, { label: printable(label), rate: (received - entry.startedWith) / seconds })
    },
    remove(id) {
      const entry = entries.get(id)
      if (!entry || !bars) return
      bars.remove(entry.bar)
      entries.delete(id)
      if (entries.size === 0) stop()
    },
    print(line) {
      // A line longer than the terminal is wide goes over rows that bars stood on.
      if (bars) bars.log(ERASE_BELOW + line)
      else stream.write(line)
    },
    stop,
  }
}
