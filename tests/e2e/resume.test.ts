import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import { holdUpload } from '../helpers/held.ts'
import { CHUNK, goOn, MOST_IN_FLIGHT, startSite, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const KiB = 1024
const SIZE = 12_000 * KiB + 7
/** Headers of the chunks, polls and everything else, in bytes. */
const OVERHEAD = (SIZE / CHUNK) * 1024 + 100 * KiB
/** A machine that does much else takes its time, in ms. */
const WITHIN = 90_000

type Fault = (site: Site) => Promise<void>

// No acknowledged byte travels again, whatever breaks: the proxy between the two counts, and the server's record does.
describe('no acknowledged byte travels again', () => {
  /** One whose ends fail, and one whose lines do: they are tried beside each other. */
  let stack: Stack
  let steady: Stack
  const onTheLine = new Map<string, Promise<unknown>>()

  beforeAll(async () => {
    stack = await startStack()
    steady = await startStack()
    for (const [what, fault] of line)
      onTheLine.set(
        what,
        survive(steady, what, fault).catch((error: unknown) => error),
      )
  })
  afterAll(async () => {
    await stack.stop()
    await steady.stop()
  })

  /** A download in whose middle the fault comes. */
  const survive = async (on: Stack, what: string, fault: Fault): Promise<void> => {
    const site = await startSite(on, what.replaceAll(' ', '_'))
    const { id: clientId, proxy, root } = site
    const sha256 = await writeRandom(join(root, 'video'), SIZE)
    const before = proxy.sent()
    const id = await holdUpload({ stack: on, proxy }, { clientId, path: 'video' }, SIZE / 2)

    await fault(site)
    proxy.allow(Infinity)
    const done = await on.ended(id, WITHIN)
    expect(done).toMatchObject({ status: 'completed', sha256, verified: true, attempt: 1, size: SIZE })
    expect(done['bytesResent']).toBeLessThanOrEqual(MOST_IN_FLIGHT)
    expect(proxy.sent() - before - SIZE).toBeLessThanOrEqual(MOST_IN_FLIGHT + OVERHEAD)
    await site.agent.kill('SIGTERM')
    await proxy.close()
  }

  const ends: [what: string, fault: Fault][] = [
    ['the agent is killed', (site) => site.agent.kill('SIGKILL').then(() => goOn(stack, [site]))],
    ['the agent is stopped', (site) => site.agent.kill('SIGTERM').then(() => goOn(stack, [site]))],
    ['the server is killed', () => stack.restart('SIGKILL')],
    ['the server is stopped', () => stack.restart('SIGTERM')],
    [
      'both are killed',
      async (site) => {
        await Promise.all([site.agent.kill('SIGKILL'), stack.server.kill('SIGKILL')])
        goOn(stack, [site])
        await stack.restart()
      },
    ],
  ]
  test.each(ends)('%s', (what, fault) => survive(stack, what, fault), 2 * WITHIN)

  const line: [what: string, fault: Fault][] = [
    ['every connection is reset', async ({ proxy }) => proxy.cut()],
    ['the router forgets its connections', async ({ proxy }) => proxy.forget()],
    [
      'the line is dead for 12 s',
      async ({ proxy }) => {
        proxy.silence()
        await delay(12_000)
        proxy.mend()
      },
    ],
    [
      'the server cannot be reached for 8 s',
      async ({ proxy }) => {
        proxy.refuse()
        await delay(8_000)
        proxy.welcome()
      },
    ],
  ]

  test.each(line)(
    '%s',
    async (what) => {
      expect(await onTheLine.get(what)).toBeUndefined()
    },
    2 * WITHIN,
  )
})
