/**
 * Calls `stop` once on the first SIGTERM or SIGINT; a second signal ends the process at once.
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
  process.on('SIGTERM', handle)
  process.on('SIGINT', handle)
}
