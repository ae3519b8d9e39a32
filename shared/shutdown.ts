import { own } from './platform.ts'

/** As it was at the start: npm's shell can be gone before anybody asks. */
const parent = process.ppid
/** How often a process that npm started looks whether npm's shell is still there, in ms. */
const LOOK_EVERY = 500

/**
 * Calls `stop` once on the first SIGTERM or SIGINT, or what stands for them on Windows; a second signal ends the process at once.
 * @param exit called with 0 when `stop` has finished, with 1 when it failed, with 130 on the second signal
 */
export function onShutdown(stop: (signal: NodeJS.Signals) => Promise<void>, exit: (code: number) => void): void {
  let stopping = false
  const handle = (signal: NodeJS.Signals): void => {
    if (stopping) return exit(130)
    stopping = true
    stop(signal).then(
      () => exit(0),
      () => exit(1),
    )
  }
  for (const signal of own.stopSignals) process.on(signal, handle)
  if (process.env['npm_lifecycle_event'] !== undefined) whenOrphaned(() => !stopping && handle('SIGTERM'))
}

/** `kill` of npm ends its shell and not what that started: the shell's end has to stand for the signal. */
function whenOrphaned(tell: () => void): void {
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    tell()
  }, LOOK_EVERY)
  timer.unref()
}
