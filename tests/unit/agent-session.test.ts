import { expect, test } from '@jest/globals'
import { pino } from 'pino'
import { Refused } from '../../agent/api.ts'
import { createRetry, TransientError } from '../../agent/retry.ts'
import { createSessions } from '../../agent/session.ts'

const identity = {
  clientId: 'a',
  agent: { version: '1', platform: 'linux-x64', hostname: 'here' },
  shared: [],
  labels: {},
}

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
    identity,
    state: { underWay: () => false },
    log,
    standing: { contact: () => undefined, refused: () => undefined },
  })
  await expect(sessions.begin(true, stop.signal)).rejects.toThrow('stopped')
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'no session: session-held: a\ufffdb\ufffdc\ufffd[2J Asking again in about a minute',
  ])
})

test('an agent whose session has ended, and whose server is gone, does not stand there as connected', async () => {
  const stop = new AbortController()
  const contacts: boolean[] = []
  const log = pino({ enabled: false })
  const sessions = createSessions({
    admit: () => {
      stop.abort(new Error('stopped'))
      return Promise.reject(new TransientError('ECONNREFUSED', { unanswered: true }))
    },
    retry: createRetry({ log }),
    identity,
    state: { underWay: () => false },
    log,
    standing: {
      contact: (connected) => void contacts.push(connected),
      refused: () => undefined,
    },
  })
  await expect(sessions.begin(false, stop.signal)).rejects.toThrow('stopped')
  expect(contacts).toEqual([false])
})
