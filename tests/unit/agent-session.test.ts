import { expect, test } from '@jest/globals'
import { pino } from 'pino'
import { Refused } from '../../agent/api.ts'
import { createRetry } from '../../agent/retry.ts'
import { createSessions } from '../../agent/session.ts'

test('what a server says of a session it refuses can neither start a line of the log nor turn its direction', async () => {
  const lines: string[] = []
  const stop = new AbortController()
  const write = (line: string): void => {
    lines.push(line)
    stop.abort(new Error('stopped'))
  }
  const log = pino({ base: null }, { write })
  const problem = {
    type: 'about:blank',
    title: 'Held',
    status: 409,
    code: 'session-held',
    detail: 'a\nb\u202ec\u001b[2J',
  }
  const sessions = createSessions({
    admit: () => Promise.reject(new Refused(problem, undefined)),
    retry: createRetry({ log }),
    identity: {
      clientId: 'a',
      agent: { version: '1', platform: 'linux-x64', hostname: 'here' },
      shared: [],
      labels: {},
    },
    state: { underWay: () => false },
    log,
    standing: { refused: () => undefined },
  })
  await expect(sessions.begin(true, stop.signal)).rejects.toThrow('stopped')
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'no session: session-held: a\ufffdb\ufffdc\ufffd[2J Asking again in about a minute',
  ])
})
