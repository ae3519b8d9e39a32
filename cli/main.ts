import { version } from '../shared/version.ts'
import { pause } from '../shared/wait.ts'
import { onShutdown } from '../shared/shutdown.ts'
import { explain } from './errors.ts'
import { exitCodes } from './exit-codes.ts'
import { run } from './run.ts'
import { writeFailed } from './sinks.ts'

/** ms for a command to clear up after Ctrl-C, such as a half-written file. */
const clearingUp = 2000

const stopping = new AbortController()

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
  process.stderr.write(`${explain(writeFailed('standard output', error)).line}\n`)
  process.exit(exitCodes.failed)
})
// Nobody is left to be told.
process.stderr.on('error', () => process.exit(exitCodes.failed))

const running = run(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  signal: stopping.signal,
  version,
})

onShutdown(
  async () => {
    stopping.abort()
    await Promise.race([running, pause(clearingUp)])
  },
  () => process.exit(exitCodes.interrupted),
)

process.exitCode = await running
