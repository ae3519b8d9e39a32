import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { appendLimit, checkedRanges, judgeChunk } from '../../agent/answers.ts'
import type { Answer } from '../../agent/http.ts'
import { createRetry, TransientError } from '../../agent/retry.ts'
import { openState } from '../../agent/state.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const log = pino({ level: 'silent' })
const server = 'http://server'
const never = new AbortController().signal
let folder: string
let remove: () => Promise<void>

beforeAll(async () => ({ folder, remove } = await temporaryFolder()))
afterAll(() => remove())

describe('answers to a chunk', () => {
  const answer = (status: number, code?: string, more: Record<string, unknown> = {}, headers = {}): Answer => ({
    status,
    headers,
    bytes: Buffer.alloc(0),
    json: undefined,
    quietMs: 0,
    retryAfterMs: undefined,
    problem: code === undefined ? undefined : { type: 'about:blank', title: 'T', status, code, ...more },
  })

  test.each([
    [answer(204), { act: 'durable' }],
    [answer(400, 'digest-mismatch'), { act: 'damaged' }],
    [answer(400, 'range-invalid', { detail: 'why' }), { act: 'fail', detail: 'range-invalid: why' }],
    [answer(411, 'length-required'), { act: 'fail' }],
    [answer(404, 'download-unknown'), { act: 'fail' }],
    [answer(400), { act: 'retry' }],
    [answer(401, 'x'), { act: 'retry', afterMs: 60_000 }],
    [answer(403), { act: 'retry', afterMs: 60_000 }],
    [answer(408, 'body-timeout'), { act: 'retry' }],
    [answer(409, 'session-superseded'), { act: 'drop', again: true }],
    [answer(409, 'attempt-superseded'), { act: 'drop', again: true }],
    [answer(410, 'job-gone'), { act: 'drop', again: false }],
    [answer(410, 'job-gone', { attempt: 1, downloadStatus: 'cancelled' }), { act: 'drop', again: false }],
    [answer(410, 'job-gone', { attempt: 2, downloadStatus: 'completed' }), { act: 'drop', again: false }],
    [answer(410, 'job-gone', { attempt: 1, downloadStatus: 'completed' }), { act: 'durable' }],
    [answer(410, 'job-gone', { attempt: 1, downloadStatus: 'verifying' }), { act: 'durable' }],
    [answer(412, 'source-changed'), { act: 'drop', again: true }],
    [answer(413), { act: 'cut', allowed: undefined }],
    [answer(413, 'too-large', {}, { 'upload-limit': 'max-append-size=1000' }), { act: 'cut', allowed: 1000 }],
    [answer(413, undefined, {}, { 'upload-limit': 'max-append-size=1000' }), { act: 'cut', allowed: undefined }],
    [answer(429, 'x'), { act: 'retry' }],
    [answer(200), { act: 'retry' }],
    [answer(302), { act: 'retry' }],
    [answer(503, 'store-full'), { act: 'retry' }],
    [answer(502), { act: 'retry' }],
  ])('%j', (given, verdict) => {
    expect(judgeChunk(given, { attempt: 1, size: 100 })).toMatchObject(verdict)
  })

  test('range-conflict: only ranges that can be are believed', () => {
    const received = [
      { start: 0, end: 10 },
      { start: 5, end: 20 },
      { start: 90, end: 101 },
      { start: 8, end: 8 },
    ]
    expect(judgeChunk(answer(409, 'range-conflict', { received }), { attempt: 1, size: 100 })).toEqual({
      act: 'replan',
      received: [{ start: 0, end: 20 }],
    })
    expect(checkedRanges([{ start: '0', end: 5 }], 100)).toEqual([])
  })

  test('Upload-Limit', () => {
    expect(appendLimit('max-size=5, max-append-size=70000;x=1')).toBe(70_000)
    expect(appendLimit('max-append-size=-1')).toBeUndefined()
  })
})

test('what may go better is tried again, anything else is thrown at once', async () => {
  const retry = createRetry({ log })
  const options = { what: 'try', signal: never, urgent: () => true }
  let tries = 0
  const flaky = async (): Promise<number> => {
    tries += 1
    if (tries < 4) throw new TransientError('busy', { retryAfterMs: 0 })
    return tries
  }
  expect(await retry.persist(flaky, options)).toBe(4)
  await expect(retry.persist(() => Promise.reject(new TypeError('a mistake')), options)).rejects.toThrow('a mistake')
  const abort = new AbortController()
  const waiting = retry.persist(
    () => {
      abort.abort(new Error('stopped'))
      return Promise.reject(new TransientError('busy', { retryAfterMs: 300_000 }))
    },
    { ...options, signal: abort.signal },
  )
  await expect(waiting).rejects.toThrow('stopped')
})

describe('state', () => {
  test('is kept per server, across openings', async () => {
    const dir = join(folder, 'kept')
    const state = await openState({ dir, server, log })
    await Promise.all([state.rememberCeiling(70_000), state.rememberWait(12), state.started('job')])
    const again = await openState({ dir, server, log })
    expect([again.ceiling(), again.wait(), await again.started('job')]).toEqual([70_000, 12, 2])
    const other = await openState({ dir, server: 'http://other', log })
    expect([other.ceiling(), other.wait()]).toEqual([undefined, undefined])
  })

  test('counts starts without an end, of 100 jobs at most', async () => {
    const dir = join(folder, 'starts')
    const state = await openState({ dir, server, log })
    for (let index = 0; index < 102; index += 1) await state.started(`job-${index}`)
    await state.ended('job-101')
    const again = await openState({ dir, server, log })
    expect([await again.started('job-0'), await again.started('job-100'), await again.started('job-101')]).toEqual([
      1, 2, 1,
    ])
  })

  test('a damaged file is begun anew', async () => {
    const dir = join(folder, 'damaged')
    await mkdir(dir)
    await writeFile(join(dir, 'state.json'), '{"servers":')
    const state = await openState({ dir, server, log })
    expect(await state.started('job')).toBe(1)
    expect(JSON.parse(await readFile(join(dir, 'state.json'), 'utf8'))).toMatchObject({
      starts: [{ id: 'job', count: 1 }],
    })
  })

  test('a folder that cannot be is no reason to stop', async () => {
    await writeFile(join(folder, 'file'), '')
    const state = await openState({ dir: join(folder, 'file', 'state'), server, log })
    expect([await state.started('job'), await state.started('job')]).toEqual([1, 2])
  })
})
