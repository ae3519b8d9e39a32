import { expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createNotify } from '../../shared/notify.ts'

const MINUTE = 60_000

/** A service with a watchdog of four minutes, and what systemd hears of it. */
function createService(env: Record<string, string> = {}) {
  const heard: string[][] = []
  const logged: string[] = []
  const service = { now: 0, deaf: false, heard, logged }
  const notify = createNotify({
    env: { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: String(4 * MINUTE * 1000), ...env },
    log: pino({ base: null }, { write: (line: string) => void logged.push(line) }),
    now: () => service.now,
    send: async (message) => {
      if (service.deaf) throw new Error('Permission denied')
      heard.push([...message])
    },
  })
  return Object.assign(service, { notify, settled: () => new Promise((resolve) => setImmediate(resolve)) })
}

test('the watchdog is fed by progress alone, a quarter of its time apart', async () => {
  const service = createService()
  expect(service.notify.watchdogMs).toBe(4 * MINUTE)
  const fedAt: number[] = []
  for (service.now = 0; service.now < 4 * MINUTE; service.now += MINUTE / 4) {
    const before = service.heard.length
    service.notify.progress()
    await service.settled()
    if (service.heard.length > before) fedAt.push(service.now / MINUTE)
  }
  expect(fedAt).toEqual([0, 1, 2, 3])
  service.now = 60 * MINUTE
  service.notify.ready()
  await service.settled()
  expect(service.heard.slice(4)).toEqual([['READY=1']])
})

test('words follow each other slowly, and the last ones count', async () => {
  const service = createService()
  service.notify.status('trying to reach http://hub')
  await service.settled()
  service.notify.status('connected')
  service.notify.status('connected, one\nfile under way')
  await service.settled()
  expect(service.heard).toEqual([['STATUS=trying to reach http://hub']])
  service.notify.ready()
  await service.settled()
  expect(service.heard.slice(1)).toEqual([['STATUS=connected, one\ufffdfile under way', 'READY=1']])
})

test('words that a server chose do not make a message too long for systemd, which would be none', async () => {
  const service = createService()
  service.notify.status(`not let in by http://hub: ${'€'.repeat(100_000)}`)
  service.notify.ready()
  await service.settled()
  service.notify.progress()
  await service.settled()
  for (const message of service.heard) expect(Buffer.byteLength(message.join('\n'))).toBeLessThan(4096)
  expect(service.heard.flat()).toContain('READY=1')
})

test('nobody is told where nobody listens, and a watchdog of another process is none of ours', async () => {
  const alone = createService({ NOTIFY_SOCKET: '' })
  alone.notify.ready()
  alone.notify.progress()
  alone.notify.status('connected')
  await alone.settled()
  expect(alone.heard).toEqual([])
  expect(createService({ WATCHDOG_PID: '1' }).notify.watchdogMs).toBe(Infinity)
})

test('what systemd did not take goes with the next message, but progress that was made long ago', async () => {
  const service = createService()
  service.deaf = true
  service.notify.ready()
  service.notify.progress()
  await service.settled()
  expect(service.logged).toEqual([expect.stringMatching(/cannot tell systemd.*Permission denied.*NotifyAccess=all/)])
  service.deaf = false
  service.now = MINUTE / 2
  service.notify.status('connected')
  await service.settled()
  expect(service.heard).toEqual([['READY=1', 'STATUS=connected']])
  service.notify.progress()
  await service.settled()
  expect(service.heard.at(-1)).toEqual(['WATCHDOG=1'])
})
