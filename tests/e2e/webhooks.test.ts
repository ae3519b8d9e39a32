import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from '@jest/globals'
import { makeAuthority } from '../helpers/certificates.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { blocksOf } from '../helpers/page.ts'
import { metricsOf, transfer, valueOf } from '../helpers/prometheus.ts'
import { startReceiver, type Received, type Receiver } from '../helpers/receiver.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const KEY = Buffer.from('a key of some more than 24 bytes')
const SECRET = `whsec_${KEY.toString('base64')}`
const HIDDEN = 'hidden-part-of-the-address'

/** By the words of the specification. */
const signatureOf = ({ headers, body }: Received): string =>
  `v1,${createHmac('sha256', KEY)
    .update([headers['webhook-id'], headers['webhook-timestamp'], body].join('.'))
    .digest('base64')}`

describe('webhooks', () => {
  let stack: Stack
  const receivers: Receiver[] = []

  const receiver: typeof startReceiver = async (...args) => {
    const started = await startReceiver(...args)
    receivers.push(started)
    return started
  }

  /** A server that tells these, and has begun to. */
  const begin = (...to: Receiver[]): Promise<void> => beginWith({}, ...to)
  const beginWith = async (env: Record<string, string>, ...to: Receiver[]): Promise<void> => {
    const url = to.map((each) => `${each.url}/${HIDDEN}`).join(' ')
    stack = await startStack({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET, LOG_LEVEL: 'trace', ...env })
    for (const { url: shown } of to) {
      await stack.server.line(({ endpoint, msg }) => endpoint === shown && String(msg).startsWith('webhooks tell'))
    }
    await rawAgent(stack, 'shop_1')
  }

  /** A download that has failed. @returns its id */
  const fail = async (): Promise<string> => {
    const { id } = await stack.ask({ clientId: 'shop_1', path: 'menu.txt' })
    await stack.post(`/jobs/${id}/fail`, { code: 'denied' })
    return String(id)
  }
  const deliveries = async (outcome: string): Promise<number | undefined> =>
    valueOf(await metricsOf(stack), `backhaul_webhook_deliveries_total{outcome="${outcome}"}`)
  const waiting = async (): Promise<number | undefined> =>
    valueOf(await metricsOf(stack), 'backhaul_webhook_deliveries_waiting')
  const counted = (outcome: string, count: number): Promise<unknown> =>
    until(`${outcome} to be counted`, async () => (await deliveries(outcome)) === count)

  afterEach(async () => {
    const said = stack.server.output()
    await stack.stop()
    for (const each of receivers.splice(0)) await each.close()
    for (const secret of [HIDDEN, SECRET, SECRET.slice(6), String(KEY)]) expect(said).not.toContain(secret)
  })

  test('tell of a download that has ended, with all that is known of it, and sign it', async () => {
    const to = await receiver()
    await begin(to)
    const failed = await fail()
    await to.has(1)
    const { id } = await transfer(stack, 'shop_2', 100_000)
    const heard = await to.has(2)
    expect(heard.map(({ json }) => [json['type'], json['data']['downloadId']])).toEqual([
      ['download.failed', failed],
      ['download.completed', id],
    ])
    const [, completed] = heard
    const { events } = await stack.get(`/downloads/${id}/events`)
    const { download, ...event } = completed!.json['data']
    expect(event).toEqual(events.at(-1))
    expect(download).toEqual(await stack.get(`/downloads/${id}`))
    expect(completed!.json['timestamp']).toBe(event.at)
    for (const one of heard) {
      expect(one.path).toBe(`/${HIDDEN}`)
      expect(one.headers['webhook-signature']).toBe(signatureOf(one))
      expect(one.headers['webhook-id']).toMatch(/^evt_[\d-]+$/)
      expect(Math.abs(Number(one.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
      expect(one.headers['content-type']).toBe('application/json')
    }
    await counted('delivered', 2)
    await until('nothing to wait', async () => (await waiting()) === 0)
    expect(valueOf(await metricsOf(stack), 'backhaul_look_success{look="webhooks"}')).toBe(1)
  })

  test('are sent again, the same, when they are not taken', async () => {
    const to = await receiver((response) => response.writeHead(to.received.length === 1 ? 500 : 200).end())
    await begin(to)
    await fail()
    const [first, second] = await to.has(2)
    expect(second!.body).toBe(first!.body)
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id'])
    expect(Number(second!.headers['webhook-timestamp'])).toBeGreaterThan(Number(first!.headers['webhook-timestamp']))
    expect(second!.headers['webhook-signature']).toBe(signatureOf(second!))
    await counted('delivered', 1)
    expect(await deliveries('retried')).toBe(1)
    await stack.server.line(({ msg, answer }) => String(msg).startsWith('webhooks are not') && answer === 'HTTP 500')
  })

  test('reach a receiver that was away, though the server was killed meanwhile', async () => {
    const gone = await receiver()
    await begin(gone)
    await gone.close()
    const id = await fail()
    await counted('retried', 1)
    await stack.restart('SIGKILL')
    expect(await waiting()).toBe(1)
    const back = await receiver(undefined, { port: gone.port })
    const [heard] = await back.has(1)
    expect(heard!.json['data']['downloadId']).toBe(id)
    await until('nothing to wait', async () => (await waiting()) === 0)
  })

  test('that somebody does not answer hold up neither the others, nor a transfer, nor the end of the server', async () => {
    const [silent, other] = [await receiver(() => undefined), await receiver()]
    await begin(silent, other)
    const ids = [await fail(), await fail(), await fail()]
    await silent.has(2)
    const told = (await other.has(3)).map(({ json }) => String(json['data']['downloadId']))
    expect(told.toSorted()).toEqual(ids.toSorted())
    // It has not been given up yet.
    expect(silent.received).toHaveLength(2)
    await transfer(stack, 'shop_2', 100_000)
    await other.has(4)
    await stack.restart('SIGTERM')
    // What was cut off is sent again.
    await silent.has(4)
    expect(silent.mostAtOnce()).toBe(2)
  })

  testWith(
    { programs: ['openssl'] },
    'go over TLS to who has a certificate that is trusted, and to nobody else',
    async () => {
      const { folder, remove } = await temporaryFolder()
      const [known, unknown] = [makeAuthority(folder), makeAuthority(folder)]
      const [to, stranger] = [
        await receiver(undefined, { tls: known.issue() }),
        await receiver(undefined, { tls: unknown.issue() }),
      ]
      await beginWith({ NODE_EXTRA_CA_CERTS: known.ca }, to, stranger)
      await fail()
      const [heard] = await to.has(1)
      expect(heard!.headers['webhook-signature']).toBe(signatureOf(heard!))
      await counted('retried', 1)
      await stack.server.line(({ endpoint, answer }) => endpoint === stranger.url && /certificate/.test(String(answer)))
      expect(stranger.received).toEqual([])
      await remove()
    },
  )

  test('do not go where an answer points to', async () => {
    const elsewhere = await receiver()
    const to = await receiver((response) => response.writeHead(307, { location: elsewhere.url }).end())
    await begin(to)
    await fail()
    await counted('retried', 1)
    expect(elsewhere.received).toEqual([])
    await stack.server.line(({ answer }) => answer === 'HTTP 307')
  })

  test('are given up when they are gone for good, and the log says which', async () => {
    const to = await receiver((response) => response.writeHead(410).end())
    await begin(to)
    const id = await fail()
    await counted('given-up', 1)
    await stack.server.line(({ msg, ...line }) => msg === 'a webhook is given up' && line['id'] === id)
    await until('nothing to wait', async () => (await waiting()) === 0)
  })

  test('need no more than the beginning of an answer', async () => {
    const to = await receiver((response) => {
      response.writeHead(200)
      const more = (): void => void response.write(Buffer.alloc(64 * 1024), (error) => error ?? more())
      more()
    })
    await begin(to)
    await fail()
    await counted('delivered', 1)
  })

  describe('can be told from what others send', () => {
    const check = (genuine: (secret: string, one: Received) => boolean) => async () => {
      const to = await receiver()
      await begin(to)
      await fail()
      const [one] = await to.has(1)
      expect(genuine(SECRET, one!)).toBe(true)
      expect(genuine(SECRET, { ...one!, body: one!.body.replace('denied', 'failed') })).toBe(false)
      expect(genuine(`whsec_${Buffer.alloc(32).toString('base64')}`, one!)).toBe(false)
      expect(genuine(SECRET, { ...one!, headers: {} })).toBe(false)
      for (const wrong of [{ 'webhook-timestamp': 'now' }, { 'webhook-id': 'evt_1' }, { 'webhook-signature': 'v1,' }])
        expect(genuine(SECRET, { ...one!, headers: { ...one!.headers, ...wrong } })).toBe(false)
      const old: Received = { ...one!, headers: { ...one!.headers, 'webhook-timestamp': '1600000000' } }
      old.headers['webhook-signature'] = signatureOf(old)
      expect(genuine(SECRET, old)).toBe(false)
    }
    /** What the program in the documentation says. */
    const run =
      (command: string, file: string, language: string, rest: string) =>
      (secret: string, { headers, body }: Received): boolean => {
        const program = `${blocksOf('docs/events.md', language)[0]}${rest}`
        const input = JSON.stringify([secret, headers, body])
        const args = command === 'python3' ? ['-c', program] : ['--input-type=module', '--eval', program]
        const { stdout, stderr } = spawnSync(command, args, { input, encoding: 'utf8' })
        if (!['true', 'false'].includes(stdout.trim())) throw new Error(`${file} said ${stdout}${stderr}`)
        return stdout.trim() === 'true'
      }

    test(
      'in Node',
      check(
        run(
          process.execPath,
          'node',
          'js',
          `import { text } from 'node:stream/consumers'
           console.log(isGenuine(...JSON.parse(await text(process.stdin))))`,
        ),
      ),
    )
    testWith(
      { programs: ['python3'] },
      'in Python',
      check(
        run('python3', 'python', 'python', '\nimport json, sys\nprint(str(is_genuine(*json.load(sys.stdin))).lower())'),
      ),
    )
  })
})
