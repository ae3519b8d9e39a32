import { tmpdir } from 'node:os'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import { run } from '../../cli/run.ts'

/** What is offered for the last of these words, by the program itself; nothing answers at its server. */
async function offered(...words: string[]): Promise<string[]> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await run(['complete', '--', ...words], {
    env: { SERVER_URL: 'http://127.0.0.1:1' },
    stdin: new PassThrough(),
    stdout,
    stderr,
    cwd: tmpdir(),
    signal: new AbortController().signal,
    version: '1.2.3',
  })
  expect([code, stderr.read()]).toEqual([0, null])
  const lines = String(stdout.read() ?? '').split('\n')
  return lines.filter((line) => line !== '').map((line) => line.split('\t')[0] ?? '')
}

describe('completion', () => {
  test.each([
    [['cl'], ['clients']],
    [['lis'], []],
    [['compl'], ['completion']],
    [['list', '--ou'], ['--outdated']],
    [
      ['tokens', ''],
      ['create', 'revoke'],
    ],
    [['tokens', 'create', 'x', '--ro'], ['--role']],
    [
      ['tokens', 'create', 'x', '--role', ''],
      ['reader', 'operator', 'admin'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['downloads', '--status', 'c'],
      ['completed', 'cancelled'],
    ],
    [
      ['downloads', '--status=c'],
      ['--status=completed', '--status=cancelled'],
    ],
    [
      ['downloads', '--status', '=', 'c'],
      ['completed', 'cancelled'],
    ],
    [
      ['downloads', '--status', '='],
      ['queued', 'transferring', 'verifying', 'completed', 'failed', 'cancelled', 'expired'],
    ],
    [
      ['watch', '--status', 'failed', 'c'],
      ['completed', 'cancelled'],
    ],
    [['watch', '--status', 'failed', '--js'], ['--json']],
    [['--json', '--server', 'http', ':', '//hub.example', ':', '8443', 'stat'], ['status']],
    [['fetch', 'shop', 'path', '-o', ''], [':files']],
    [['download', 'shop', ''], [':files']],
    [['download', '--client', 'shop', '--note', '--wait', '--pol'], ['--policy']],
    [['download', '--', '--wa'], []],
    [['clients', '--label', 'region', '=', 'west', ''], []],
    [['status', 'x', '--server=http://hub.example', '--wa'], ['--wait']],
    [['nonsense', ''], []],
  ])('%j offers %j', async (words, expected) => expect(await offered(...words)).toEqual(expected))

  test('a server that is away, or an address that is none, is no reason for a word', async () => {
    expect(await offered('status', '')).toEqual([])
    expect(await offered('--server', 'ftp://x', 'status', '')).toEqual([])
  })
})
