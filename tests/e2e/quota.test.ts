import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const RETENTION = 2

describe('quota and retention', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ CLIENT_QUOTA: '4MiB', RETENTION: `${RETENTION}s` })
  })
  afterAll(() => stack.stop())

  /** A finished file of a client that is served by hand. */
  const finished = async (size: number) => {
    const content = randomBytes(size)
    const job = await beginByHand(stack, content)
    await job.put(0, size)
    const { status } = await job.complete(job.id, 1, size, sha256Of(content))
    expect(status).toBe(200)
    return job
  }

  test('a client has its quota: finished files that are there, and what is under way', async () => {
    const { clientId, id, headers } = await finished(2 * MiB)
    const begin = async (size: number) => {
      const asked = await stack.ask({ clientId })
      const answer = await stack.post(`/jobs/${asked['id']}/begin`, { source: 'v1', size }, headers)
      return { id: asked['id'], answer }
    }
    const underWay = await begin(MiB)
    expect(underWay.answer.status).toBe(200)
    const refused = await begin(MiB + 1)
    expect(refused.answer).toMatchObject({ status: 507, body: { code: 'over-quota' } })
    expect(refused.answer.headers.get('retry-after')).toBe('10')
    expect(refused.answer.body['detail']).toContain(`${3 * MiB} of ${4 * MiB} are used`)
    expect(await stack.get(`/downloads/${refused.id}`)).toMatchObject({ status: 'queued', reason: 'over-quota' })
    // What is under way may begin again, and what fits may begin.
    const again = await stack.post(`/jobs/${underWay.id}/begin`, { source: 'v1', size: MiB }, headers)
    expect(again).toMatchObject({ status: 200, body: { attempt: 1 } })
    expect((await begin(MiB)).answer.status).toBe(200)
    // Another client has its own.
    expect((await beginByHand(stack, randomBytes(MiB))).status).toBe(201)
    await fetch(`${stack.url}/downloads/${id}/content`, { method: 'DELETE' })
    const now = await stack.post(`/jobs/${refused.id}/begin`, { source: 'v1', size: MiB + 1 }, headers)
    expect(now).toMatchObject({ status: 200, body: { attempt: 1 } })
  })

  test('a file that is larger than the whole quota is told so, in one request or in chunks', async () => {
    const agent = await rawAgent(stack, 'greedy')
    const { id } = await stack.ask({ clientId: 'greedy' })
    const answer = await agent.begin(id, 5 * MiB)
    expect(answer).toMatchObject({ status: 507, body: { code: 'over-quota' } })
    expect(answer.body['detail']).toContain('more than all files of a client may have')
    const body = randomBytes(4 * MiB + 1)
    const whole = await fetch(`${stack.url}/jobs/${id}/file`, { method: 'PUT', body })
    expect(whole.status).toBe(507)
    expect(await whole.json()).toMatchObject({ code: 'over-quota' })
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'queued', reason: 'over-quota', attempt: 0 })
  })

  test('a retry that goes on with its part needs room in the quota, too', async () => {
    const { clientId, id, put, fail, headers } = await beginByHand(stack, randomBytes(3 * MiB))
    await put(0, MiB)
    await fail(id, 'io-error', 1)
    const other = await stack.ask({ clientId })
    expect((await stack.post(`/jobs/${other['id']}/begin`, { source: 'v1', size: 2 * MiB }, headers)).status).toBe(200)
    await stack.post(`/downloads/${id}/retry`)
    const again = () => stack.post(`/jobs/${id}/begin`, { source: 'v1', size: 3 * MiB }, headers)
    expect(await again()).toMatchObject({ status: 507, body: { code: 'over-quota' } })
    await fetch(`${stack.url}/downloads/${other['id']}`, { method: 'DELETE' })
    expect(await again()).toMatchObject({ status: 200, body: { attempt: 1, received: [{ start: 0, end: MiB }] } })
  })

  testWith({ long: true }, 'an agent waits for its quota, and goes on by itself', async () => {
    const file = join(stack.folder, 'patient')
    const sha256 = await writeRandom(file, 3 * MiB)
    const agent = await stack.online('patient', ['--file', file])
    const first = await stack.reached((await stack.ask({ clientId: 'patient' }))['id'], 'completed')
    const { id } = await stack.ask({ clientId: 'patient' })
    await until('the refusal', async () => agent.output().includes('over-quota'))
    await fetch(`${stack.url}/downloads/${first['id']}/content`, { method: 'DELETE' })
    expect(await stack.reached(id, 'completed')).toMatchObject({ verified: true, sha256 })
    expect(agent.output()).not.toContain('job failed')
  })

  test('finished files that are older than they are kept are gone after a start, and their records stay', async () => {
    const [old, lost] = [await finished(MiB), await finished(MiB)]
    const before = await stack.get(`/downloads/${old.id}`)
    // Somebody was faster.
    await rm((await stack.get(`/downloads/${lost.id}`))['filePath'])
    await until('both to be old', async () => Date.parse(before['completedAt']) + (RETENTION + 1) * 1000 < Date.now())
    await stack.restart()
    for (const { id } of [old, lost]) {
      await until('the removal', async () => (await stack.get(`/downloads/${id}`))['filePath'] === null)
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'completed', sha256: expect.any(String) })
      const content = await fetch(`${stack.url}/downloads/${id}/content`)
      expect(content.status).toBe(410)
      expect(await content.json()).toMatchObject({ code: 'content-removed' })
    }
    expect(await readdir(stack.downloads)).not.toContain(`${old.clientId}_file`)
  })
})
