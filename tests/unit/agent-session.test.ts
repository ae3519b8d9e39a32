import { expect, test } from '@jest/globals'
import { pino } from 'pino'
import { Refused } from '../../agent/api.ts'
import { createRetry, TransientError } from '../../agent/retry.ts'
import { createSessions } from '../../agent/session.ts'
import type { SessionRequest } from '../../shared/protocol.ts'

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

test('a server of before there were updates is not told of them', async () => {
  const asked: SessionRequest[] = []
  const given = { protocol: 1, session: 's', wait: 25, chunk: { min: 1, max: 2, preferred: 2 }, parallel: 4, spread: 1 }
  const problem = {
    type: 'about:blank',
    title: 'Invalid',
    status: 400,
    code: 'invalid',
    detail: 'agent: unknown: updates',
  }
  const log = pino({ enabled: false })
  const sessions = createSessions({
    admit: (request) => {
      asked.push(request)
      return request.agent.updates ? Promise.reject(new Refused(problem, undefined)) : Promise.resolve(given)
    },
    retry: createRetry({ log }),
    identity: { ...identity, agent: { ...identity.agent, updates: true } },
    state: { underWay: () => false },
    log,
    standing: { contact: () => undefined, refused: () => undefined },
  })
  const signal = AbortSignal.timeout(10_000)
  expect(await sessions.begin(true, signal)).toBe(given)
  expect(asked.map(({ agent }) => agent.updates)).toEqual([true, undefined])
  // It may be another one by the next time.
  await sessions.begin(true, signal)
  expect(asked.map(({ agent }) => agent.updates)).toEqual([true, undefined, true, undefined])
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
