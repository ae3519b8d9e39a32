import type { ServerResponse } from 'node:http'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createLanes } from '../../agent/lanes.ts'
import { formatDigest } from '../../shared/digest.ts'
import { totalLength, union } from '../../shared/ranges.ts'
import { content, createUploading, digest, problem, SIZE, type Put } from '../helpers/uploading.ts'

const KiB = 1024
let uploading: Awaited<ReturnType<typeof createUploading>>

beforeAll(async () => {
  uploading = await createUploading()
})
afterAll(() => uploading.end())

const run: (typeof uploading)['run'] = (...given) => uploading.run(...given)

test('every byte, once, in chunks', async () => {
  const { result, store, stored, lengths, durable } = await run(() => true)
  expect(result).toBe(digest)
  expect(store.equals(content)).toBe(true)
  expect(totalLength(stored)).toBe(SIZE)
  expect(Math.max(...lengths)).toBe(512 * KiB)
  expect(durable).toEqual([{ start: 0, end: SIZE }])
})

test('the last chunk tells the digest of the whole, and no other', async () => {
  const told: [number, unknown][] = []
  await run(({ request, range }) => {
    const given = request.headers['repr-digest']
    if (given !== undefined) told.push([range.end, given])
    return true
  })
  expect(told).toEqual([[SIZE, formatDigest(digest)]])
})

test('what is there already is hashed and not sent', async () => {
  const received = [
    { start: 0, end: 700 * KiB },
    { start: 900 * KiB, end: 901 * KiB },
  ]
  const { result, stored } = await run(() => true, { received })
  expect(result).toBe(digest)
  expect(union(stored)).toEqual([
    { start: 700 * KiB, end: 900 * KiB },
    { start: 901 * KiB, end: SIZE },
  ])
})

test('a proxy that refuses bodies over 200 KiB: halved until they pass, and remembered', async () => {
  const { result, store, state, lengths } = await run(({ length, response }) => {
    if (length <= 200 * KiB) return true
    response.writeHead(413, { 'content-type': 'text/html', connection: 'close' }).end('<h1>413</h1>')
    return false
  })
  expect(result).toBe(digest)
  expect(store.equals(content)).toBe(true)
  expect(state.ceiling()).toBe(128 * KiB)
  // Three in flight at 512 KiB and three at 256; one more may have been under way.
  expect(lengths.filter((length) => length > 200 * KiB).length).toBeLessThanOrEqual(8)
})

test('a proxy that refuses everything fails the job with proxy-limit', async () => {
  const refused = run(({ response }) => (response.writeHead(413, { connection: 'close' }).end(), false))
  await expect(refused).rejects.toMatchObject({ name: 'JobFailure', code: 'proxy-limit' })
})

test('a limit named by the server is kept to', async () => {
  const { lengths, store } = await run(({ length, response }) => {
    if (length <= 100_000) return true
    problem(response, 413, 'too-large', {}, { 'upload-limit': 'max-append-size=100000' })
    return false
  })
  expect(store.equals(content)).toBe(true)
  expect(lengths.filter((length) => length <= 100_000 && length > 99_000).length).toBeGreaterThan(10)
})

test('two resets in mid-body on fresh connections count as a 413', async () => {
  const { store } = await run(({ length, request }) => {
    if (length <= 300 * KiB) return true
    request.once('data', () => request.socket.resetAndDestroy())
    return false
  })
  expect(store.equals(content)).toBe(true)
})

test('resets of an outage, in which nothing gets through, make no chunk smaller', async () => {
  let resets = 0
  const down = (): boolean => resets < 6
  const { store, lengths } = await run(
    ({ request }) => {
      if (!down()) return true
      resets += 1
      request.once('data', () => request.socket.resetAndDestroy())
      return false
    },
    { answersLooks: () => !down() },
  )
  expect(store.equals(content)).toBe(true)
  expect(new Set(lengths)).toEqual(new Set([512 * KiB, SIZE % (512 * KiB)]))
})

test('a damaged chunk is sent again, and the fourth time the job fails', async () => {
  let damaged = 0
  const { store } = await run(({ range, response }) => {
    if (range.start !== 0 || damaged === 3) return true
    damaged += 1
    problem(response, 400, 'digest-mismatch')
    return false
  })
  expect(store.equals(content)).toBe(true)
  const refused = run(({ response }) => (problem(response, 400, 'digest-mismatch'), false))
  await expect(refused).rejects.toMatchObject({ code: 'damaged' })
})

test('a header that was damaged on the way is no mistake that fails the job', async () => {
  let refused = 0
  const { store } = await run(({ range, response }) => {
    if (range.start !== 0 || refused === 3) return true
    refused += 1
    problem(response, refused === 2 ? 404 : 400, refused === 2 ? 'download-unknown' : 'range-invalid')
    return false
  })
  expect(store.equals(content)).toBe(true)
})

test('a range conflict is planned again from what was received', async () => {
  const there = { start: 100 * KiB, end: 300 * KiB }
  const { stored, durable } = await run(({ range, response }) => {
    if (range.start >= there.end || range.end <= there.start) return true
    problem(response, 409, 'range-conflict', { received: [there, { start: 0, end: SIZE + 1 }] })
    return false
  })
  expect(union(stored)).toEqual([
    { start: 0, end: there.start },
    { start: there.end, end: SIZE },
  ])
  expect(durable).toEqual([{ start: 0, end: SIZE }])
})

test.each([
  [410, 'job-gone', { name: 'JobDropped', again: false }],
  [409, 'attempt-superseded', { name: 'JobDropped', again: true }],
  [400, 'range-invalid', { name: 'JobFailure', code: 'io-error' }],
])('%i %s ends the work', async (status, code, expected) => {
  const ended = run(({ response, range }) => range.start === 0 || (problem(response, status, code), false))
  await expect(ended).rejects.toMatchObject(expected)
})

test('the connection of the last chunk is given back, where the whole turns out to have changed', async () => {
  const file = join(uploading.folder, 'rewritten')
  await writeFile(file, content)
  const lanes = createLanes({ count: 3, budget: 4 * KiB * KiB })
  const rewritten = async ({ range }: Put): Promise<boolean> => {
    // The last chunk waits for this one's connection, and so is not read before.
    if (range.start === 0) await writeFile(file, randomBytes(SIZE))
    return true
  }
  const ended = run(rewritten, { lanes, file, policy: 'size-only' })
  await expect(ended).rejects.toMatchObject({ name: 'JobFailure', code: 'changed' })
  lanes.resize(1)
  expect(lanes.busy()).toBe(false)
})

test('what is not ours is tried again: a gateway, a redirect, a portal, a broken connection', async () => {
  const troubles: ((response: ServerResponse) => unknown)[] = [
    (response) => response.writeHead(502).end('bad gateway'),
    (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('sign in'),
    (response) => response.writeHead(404).end('no such path'),
    (response) => response.destroy(),
    (response) => response.writeHead(429, { 'retry-after': '0' }).end(),
  ]
  const { store } = await run(({ response }) => {
    const trouble = troubles.shift()
    trouble?.(response)
    return trouble === undefined
  })
  expect(store.equals(content)).toBe(true)
})
