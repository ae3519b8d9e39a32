import { describe, expect, test } from '@jest/globals'
import { ConfigError } from '../../shared/env.ts'
import { readConfig } from '../../server/config.ts'
import { LONGEST_PAUSE, pauseAfter } from '../../server/webhooks/schedule.ts'
import { signedHeaders } from '../../server/webhooks/sign.ts'

const WEBHOOK_SECRET = `whsec_${Buffer.alloc(24, 'k').toString('base64')}`
const WEBHOOK_URL = 'https://hooks.example.com/backhaul'

const mistakesOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
}

describe('the settings of webhooks', () => {
  test('are none where nothing is set', () => {
    expect(readConfig({}).webhooks).toBeUndefined()
    expect(readConfig({ WEBHOOK_EVENTS: 'download.queued' }).webhooks).toBeUndefined()
  })

  test('are addresses, secrets and types', () => {
    const { webhooks } = readConfig({
      WEBHOOK_URL: `${WEBHOOK_URL}?key=1  http://bot:8080/ ${WEBHOOK_URL}?key=1`,
      WEBHOOK_SECRET: `${WEBHOOK_SECRET} whsec_${Buffer.alloc(64, 'l').toString('base64')}`,
      WEBHOOK_EVENTS: 'download.completed, client.connected',
    })
    expect(webhooks?.endpoints.map(({ url, shown }) => [url.href, shown])).toEqual([
      [`${WEBHOOK_URL}?key=1`, 'https://hooks.example.com'],
      ['http://bot:8080/', 'http://bot:8080'],
    ])
    expect(webhooks?.endpoints.map(({ key }) => key).every((key) => /^[0-9a-f]{64}$/.test(key))).toBe(true)
    expect(webhooks?.secrets).toEqual([Buffer.alloc(24, 'k'), Buffer.alloc(64, 'l')])
    expect([...webhooks!.types]).toEqual(['download.completed', 'client.connected'])
    const { webhooks: usual } = readConfig({ WEBHOOK_URL, WEBHOOK_SECRET })
    expect([...usual!.types]).toEqual(['download.completed', 'download.failed'])
  })

  test('have the way out that there is', () => {
    const env = { WEBHOOK_SECRET, WEBHOOK_URL: `${WEBHOOK_URL} http://localhost/`, HTTPS_PROXY: 'http://proxy:3128' }
    const { webhooks } = readConfig(env)
    expect(webhooks?.endpoints.map(({ proxy }) => proxy?.shown)).toEqual(['http://proxy:3128', undefined])
    expect(mistakesOf({ ...env, HTTPS_PROXY: 'socks://x' })).toEqual([expect.stringContaining('HTTPS_PROXY must read')])
  })

  test.each([
    'http://127.0.0.1:8080/',
    'http://localhost/',
    'http://10.1.2.3/',
    'http://172.31.0.1/',
    'http://192.168.1.1/',
    'http://[::1]/',
    'http://[fd00::1]/',
    'http://bot/',
  ])('take http where it stays near: %s', (url) => {
    expect(mistakesOf({ WEBHOOK_SECRET, WEBHOOK_URL: url })).toEqual([])
  })

  test.each(['http://hooks.example.com/', 'http://172.32.0.1/', 'http://8.8.8.8/', 'http://[2001:db8::1]/'])(
    'refuse http elsewhere: %s',
    (url) => {
      expect(mistakesOf({ WEBHOOK_SECRET, WEBHOOK_URL: url })).toEqual([
        'WEBHOOK_URL must be https://; http:// is for this machine, private addresses and names without a dot',
      ])
    },
  )

  test.each(['hooks.example.com', 'ftp://hooks.example.com', 'https://ann:pw@hooks.example.com', `${WEBHOOK_URL}#a`])(
    'refuse what is no address to send to, and do not repeat it: %s',
    (url) => {
      expect(mistakesOf({ WEBHOOK_SECRET, WEBHOOK_URL: url })).toEqual([
        'WEBHOOK_URL must be addresses such as https://hooks.example.com/backhaul, without a user, separated by spaces',
      ])
    },
  )

  test('refuse more than four addresses', () => {
    const urls = [1, 2, 3, 4, 5].map((n) => `${WEBHOOK_URL}/${n}`)
    expect(mistakesOf({ WEBHOOK_SECRET, WEBHOOK_URL: urls.slice(1).join(' ') })).toEqual([])
    expect(mistakesOf({ WEBHOOK_SECRET, WEBHOOK_URL: urls.join(' ') })).toEqual([
      'WEBHOOK_URL takes 4 addresses at most',
    ])
  })

  test.each([
    ['too short', Buffer.alloc(23).toString('base64')],
    ['too long', Buffer.alloc(65).toString('base64')],
    ['no base64', '!'.repeat(40)],
    ['cut off', `${WEBHOOK_SECRET.slice(6)}A`],
  ])('refuse a secret that is %s, and do not repeat it', (_why, text) => {
    const [mistake, ...more] = mistakesOf({ WEBHOOK_URL, WEBHOOK_SECRET: `whsec_${text}` })
    expect(mistake).toContain('WEBHOOK_SECRET must be whsec_ and 24 to 64 random bytes as base64')
    expect(mistake).not.toContain(text)
    expect(more).toEqual([])
  })

  test('refuse one without the other, and types that there are not', () => {
    const missing = ['WEBHOOK_URL and WEBHOOK_SECRET belong together; one of them is missing']
    expect(mistakesOf({ WEBHOOK_URL })).toEqual(missing)
    expect(mistakesOf({ WEBHOOK_SECRET })).toEqual(missing)
    expect(mistakesOf({ WEBHOOK_URL, WEBHOOK_SECRET, WEBHOOK_EVENTS: 'download.done' })).toEqual([
      expect.stringMatching(/^WEBHOOK_EVENTS must be types of events.* not "download\.done"$/),
    ])
  })
})

test('the pauses between attempts grow from 5 s to 12 h, and are what is asked for at least', () => {
  expect([0, 1, 2, 5].map((attempts) => pauseAfter(attempts, 0, 0))).toEqual([5000, 10_000, 20_000, 160_000])
  expect(pauseAfter(1, 0, 1)).toBe(5000)
  expect(pauseAfter(100, 0, 0)).toBe(LONGEST_PAUSE)
  expect(pauseAfter(0, 3_600_000, 0)).toBe(3_600_000)
  expect(pauseAfter(5, 1000, 0)).toBe(160_000)
})

test('a message is signed as the specification has it in its example', () => {
  const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
  const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: 1_614_265_330_123, body: '{"test": 2432232314}' }
  const other = Buffer.alloc(24)
  const { 'webhook-signature': signature, ...headers } = signedHeaders(message, [secret, other])
  expect(headers).toEqual({ 'webhook-id': message.id, 'webhook-timestamp': '1614265330' })
  expect(signature).toMatch(/^v1,g0hM9SsE\+OTPJTGt\/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,[\w+/]+=*$/)
})
