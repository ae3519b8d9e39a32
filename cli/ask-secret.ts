import { createInterface } from 'node:readline/promises'
import { Writable, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { systemCode } from '../shared/errors.ts'
import { CliError } from './errors.ts'
import type { Stream } from './screen.ts'

export type Input = Readable & { isTTY?: boolean }

/** What comes on standard input; from a terminal one line, which it does not show. */
export async function askSecret({
  stdin,
  stderr,
  prompt,
  signal,
}: {
  stdin: Input
  stderr: Stream
  prompt: string
  signal: AbortSignal
}): Promise<string> {
  if (!stdin.isTTY) return (await text(stdin)).trim()
  stderr.write(prompt)
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: unseen, terminal: true })
  try {
    return (await lines.question('', { signal })).trim()
  } catch (error) {
    throw systemCode(error) === 'ABORT_ERR'
      ? new CliError('interrupted', 'Nothing was changed.', { cause: error })
      : error
  } finally {
    lines.close()
    stderr.write('\n')
  }
}
