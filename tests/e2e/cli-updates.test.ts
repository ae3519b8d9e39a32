import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { run } from '../../cli/run.ts'
import { shareOf } from '../../cli/roll-out.ts'
import type { Client } from '../../shared/operator.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { updatable } from '../helpers/updatable.ts'
import { until } from '../helpers/until.ts'

// An operator at a shell; the sites do by hand what agents do.
describe('backhaul update', () => {
  let stack: Stack
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  const shops = Array.from({ length: 10 }, (_, number) => `shop_${number}`)

  beforeAll(async () => {
    place = await temporaryFolder()
    await writeFile(join(place.folder, 'SHA256SUMS'), `${'a'.repeat(64)}  backhaul-agent-0.2.0-linux-x64.gz\n`)
    stack = await startStack({ RELEASES: place.folder })
    for (const id of shops) await updatable(stack, id)
    await updatable(stack, 'package', { updates: false })
    await updatable(stack, 'new', { version: '0.2.0' })
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  const program = join(projectFolder, 'cli', 'backhaul.js')
  const environment = () => ({ PATH: process.env['PATH'], HOME: stack.folder, SERVER_URL: stack.url })
  /** In this process, which many starts of another would be slower than. */
  const cli = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const { signal } = new AbortController()
    const streams = { stdin, stdout, stderr }
    const code = await run(args, { ...streams, env: environment(), cwd: stack.folder, signal, version: '0.1.0' })
    const text = (stream: PassThrough): string => String(stream.read() ?? '')
    return { code, stdout: text(stdout), stderr: text(stderr) }
  }
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await stack.get(`/clients/${id}`))['update']?.state
  const idsIn = (text: string): string[] => [...text.matchAll(/^(\w+): /gm)].map(([, id]) => id ?? '')

  test('a share of all is chosen alike each time, and a greater one goes on from it', async () => {
    const some = await cli('update', '--all', '--share', '25')
    expect(some).toMatchObject({ code: 0, stderr: expect.stringContaining('package') })
    expect(idsIn(some.stdout).length).toBeGreaterThan(1)
    expect(idsIn(some.stdout).length).toBeLessThan(4)
    expect((await cli('update', '--all', '--share', '25')).stdout).toBe(some.stdout)
    for (const id of shops) expect((await stateOf(id)) !== undefined).toBe(idsIn(some.stdout).includes(id))
    for (const id of idsIn(some.stdout)) await updatable(stack, id, { version: '0.2.0' })
    expect(await cli('update', '--all', '--share', '25')).toMatchObject({ code: 0, stdout: '' })
    const more = await cli('update', '--all', '--share', '60', '--json')
    const { clients, count, refused } = JSON.parse(more.stdout) as Json
    expect([clients.length, refused]).toEqual([count, []])
    expect(clients[0]).toMatchObject({ outdated: true, update: { version: '0.2.0', state: 'ordered' } })
    const rest = await cli('update', '--all')
    expect(idsIn(rest.stdout).toSorted()).toEqual(shops.filter((id) => !idsIn(some.stdout).includes(id)))
    const cancelled = await cli('update', '--all', '--cancel')
    expect(idsIn(cancelled.stdout)).toEqual(idsIn(rest.stdout).toSorted())
    expect(cancelled.stdout).toContain('nothing ordered')
  })

  test('--wait shows each state, and tells by its exit code that one has failed', async () => {
    const names = ['wait_good', 'wait_bad']
    const [good, bad] = [await updatable(stack, 'wait_good'), await updatable(stack, 'wait_bad')]
    const args = [program, 'update', ...names, '--wait', '--settle', '0']
    const waiting = spawn(process.execPath, args, { env: environment() })
    const ended = once(waiting, 'close')
    let [out, err] = ['', '']
    waiting.stdout.on('data', (data) => (out += String(data)))
    waiting.stderr.on('data', (data) => (err += String(data)))
    await until('both to be followed', async () => names.every((id) => err.includes(`${id}: 0.2.0 ordered`)))
    const orders = await Promise.all([good, bad].map(async (site) => (await site.poll({ seen: 0 }))!['update'].id))
    await good.report(orders[0], 'fetching')
    await until('that to be shown', async () => err.includes('wait_good: 0.2.0 fetching'))
    await bad.report(orders[1], 'failed', { detail: 'no room in /usr/local' })
    await updatable(stack, 'wait_good', { version: '0.2.0' })
    expect((await ended)[0]).toBe(1)
    expect(out.split('\n').toSorted()).toEqual([
      '',
      'wait_bad: 0.2.0 failed: no room in /usr/local',
      'wait_good: 0.2.0 installed',
    ])
    expect(err).toContain('backhaul: 1 of 2 updates failed: wait_bad. (update-failed)')
    expect((await cli('clients', '--all', '--outdated')).stdout).toMatch(
      /^wait_bad\t.*\t0\.1\.0, old, 0\.2\.0 failed\t/m,
    )
    expect((await cli('clients', '--all')).stdout).toMatch(/^wait_good\t\w+\t\S+\t0\.2\.0\t/m)
  })

  testWith(
    { long: true, own: true },
    '--wait believes a new version once it has stayed, and says when only sites that are offline are left',
    async () => {
      const site = await updatable(stack, 'hasty')
      // Who does not wait, and is not heard of for three seconds, is away.
      await site.poll({ seen: 0 })
      const args = [program, 'update', 'hasty', '--wait', '--settle', '300']
      const waiting = spawn(process.execPath, args, { env: environment() })
      const ended = once(waiting, 'close')
      let err = ''
      waiting.stderr.on('data', (data) => (err += String(data)))
      await until('it to be followed', async () => err.includes('hasty: 0.2.0 ordered'))
      const { id } = (await stack.get('/clients/hasty'))['update']
      await until('it to be told that it waits for somebody who is away', async () =>
        err.includes('Ctrl+C ends it now'),
      )
      await updatable(stack, 'hasty', { version: '0.2.0' })
      await until('that to be shown', async () => err.includes('hasty: 0.2.0 installed'))
      const back = await updatable(stack, 'hasty')
      await back.report(id, 'failed', { detail: 'it ended 3 times in a row' })
      expect((await ended)[0]).toBe(1)
      expect(err).toContain('hasty was not updated: it ended 3 times in a row')
    },
  )

  test.each([
    [['update'], 2, 'usage'],
    [['update', 'new', '--settle', '1'], 2, 'usage'],
    [['update', 'new', '--all'], 2, 'usage'],
    [['update', 'new', '--share', '10'], 2, 'usage'],
    [['update', '--all', '--share', '0'], 2, 'usage'],
    [['update', 'new', '--cancel', '--wait'], 2, 'usage'],
    [['update', 'no/name'], 2, 'usage'],
    [['update', 'nobody'], 3, 'client-unknown'],
    [['update', 'new'], 2, 'up-to-date'],
    [['update', 'package'], 2, 'update-unsupported'],
    [['update', 'package', '--cancel'], 2, 'update-unknown'],
  ])('%j exits with %d, for %s', async (args, code, reason) => {
    const answer = await cli(...args)
    expect([answer.code, answer.stdout]).toEqual([code, ''])
    expect(answer.stderr).toContain(`(${reason})`)
  })

  test('one that is refused keeps none of the others from being asked', async () => {
    await updatable(stack, 'asked')
    const answer = await cli('update', 'new', 'asked')
    expect(answer).toMatchObject({ code: 2, stdout: 'asked: 0.2.0 ordered\n' })
    expect(answer.stderr).toContain('1 of 2 were refused: new. (up-to-date)')
  })
})

test('a greater share has in it all of a smaller one, whoever is up to date by then', () => {
  const client = (id: string, more: Partial<Client> = {}): Client => ({
    id,
    status: 'online',
    connectedAt: null,
    lastSeen: null,
    lastHeartbeat: null,
    agent: null,
    version: '0.1.0',
    outdated: true,
    updates: true,
    update: null,
    shared: [],
    labels: {},
    conflicts: { count: 0, lastAt: null, lastHostname: null },
    ...more,
  })
  const clients = Array.from({ length: 97 }, (_, number) => client(`site-${number}`))
  const idsOf = (percent: number, of = clients): string[] => shareOf(of, percent).map(({ id }) => id)
  for (let percent = 1; percent < 100; percent += 1) {
    const [smaller, greater] = [idsOf(percent), idsOf(percent + 1)]
    expect(greater.slice(0, smaller.length)).toEqual(smaller)
    expect(smaller).toHaveLength(Math.ceil((97 * percent) / 100))
  }
  expect(idsOf(100).toSorted()).toEqual(clients.map(({ id }) => id).toSorted())
  const later = clients.toReversed().map((one) => ({ ...one, outdated: false, version: '0.2.0' }))
  expect(idsOf(30, later)).toEqual(idsOf(30))
  expect(idsOf(30, [...clients, client('other', { updates: false })])).toEqual(idsOf(30))
})
