import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { startForgetfulWay } from '../helpers/forgetful.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'
import { testWith } from '../helpers/needs.ts'

const MiB = 1024 * 1024

// Everything was done, and the answer never came: an agent asks again and does nothing twice.
describe('lost answers', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  /** Loses the first `times` answers of each kind of request. */
  const firstOfEach = (times: number) => {
    const counts = new Map<string, number>()
    return ({ method, path }: { method: string; path: string }): boolean => {
      const kind = `${method} ${path.replace(/\?.*/, '').replace(/[0-9a-f-]{36}/, 'ID')}`
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      return (counts.get(kind) ?? 0) <= times
    }
  }

  test('retry without asking stored bytes twice: the answers to session, poll, begin, chunk and complete are lost', async () => {
    const way = await startForgetfulWay(stack.url, firstOfEach(2))
    const file = join(stack.folder, 'lost.bin')
    const sha256 = await writeRandom(file, 9 * MiB)
    // Slow enough that what is sent again comes before the last byte, and so is counted.
    const agent = stack.agent('lost', ['--file', file, '--server', way.url, '--limit', '20mbit'])
    await until('the client to be known', async () => (await stack.get('/clients/lost'))['id'] === 'lost')
    const { id } = await stack.ask({ clientId: 'lost' })
    const done = await stack.reached(id, 'completed')
    expect(done).toMatchObject({ sha256, verified: true, attempt: 1, bytesReceived: 9 * MiB })
    await agent.line((line) => line['msg'] === 'server confirms SHA-256')
    expect(done['bytesResent']).toBeGreaterThan(0)
    expect(sha256Of(await stack.stored(done))).toBe(sha256)
    const kinds = ['POST /sessions', `POST /jobs/${id}/begin`, `PUT /jobs/${id}/file`, `POST /jobs/${id}/complete`]
    for (const kind of kinds) expect([kind, way.lost().filter((one) => one === kind).length]).toEqual([kind, 2])
    expect(way.lost().filter((one) => one.startsWith('GET /jobs?'))).toHaveLength(2)
    // One session, though it was asked for three times.
    const { session } = await agent.line((line) => line['msg'] === 'session begun')
    expect(session).toMatch(/^1\./)
    await agent.kill('SIGKILL')
    await way.close()
  })

  test('a failure whose answer was lost is reported again, and stands', async () => {
    const some = firstOfEach(2)
    // A poll would tell that the job is over; then nobody needs to hear of its failure any more.
    let isOpen = false
    const loses = (asked: { method: string; path: string }): boolean => {
      const lost = some(asked)
      if (asked.path.endsWith('/fail')) isOpen = lost
      return lost || (isOpen && asked.path.startsWith('/jobs?'))
    }
    const way = await startForgetfulWay(stack.url, loses, ({ path }) => (isOpen ||= path.endsWith('/fail')))
    const agent = await stack.online('failing', ['--file', join(stack.folder, 'not there'), '--server', way.url])
    const { id } = await stack.ask({ clientId: 'failing' })
    expect(await stack.reached(id, 'failed')).toMatchObject({ reason: 'not-found' })
    await until('it to be asked again', async () => way.lost().filter((one) => one.endsWith('/fail')).length === 2)
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'failed', reason: 'not-found' })
    expect(agent.child.exitCode).toBeNull()
    await agent.kill('SIGKILL')
    await way.close()
  })

  testWith(
    { long: true },
    'an agent that is killed again and again, each time before it hears of its bytes, is no poison',
    async () => {
      const way = await startForgetfulWay(stack.url, ({ method }) => method === 'PUT')
      const file = join(stack.folder, 'killed.bin')
      const sha256 = await writeRandom(file, 16 * MiB)
      // Else all of it may have come before it was killed for the last time.
      const args = ['--file', file, '--chunk-size', '256KiB', '--limit', '20mbit']
      let agent = await stack.online('killed', [...args, '--server', way.url])
      const { id } = await stack.ask({ clientId: 'killed' })
      const bytes = async (): Promise<number> => (await stack.get(`/downloads/${id}`))['bytesReceived']
      for (let kills = 0, before = 0; kills < 8; kills += 1) {
        await until('more bytes', async () => (await bytes()) > before)
        await agent.kill('SIGKILL')
        before = await bytes()
        agent = stack.agent('killed', [...args, '--server', kills < 7 ? way.url : stack.url])
      }
      expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
      await way.close()
    },
  )
})
