import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { formatDigest } from '../../shared/digest.ts'
import { totalLength, union } from '../../shared/ranges.ts'
import { createLimiter } from '../../agent/limiter.ts'
import { createStoreHttp } from '../../agent/store-http.ts'
import { judgeStore, ofOffered } from '../../agent/store-answers.ts'
import { refuse, startDirectStore, type Behaviour, type DirectStore } from '../helpers/direct-store.ts'
import { content, createUploading, digest, problem, SIZE } from '../helpers/uploading.ts'

let uploading: Awaited<ReturnType<typeof createUploading>>
let store: DirectStore
const lines: string[] = []
const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })

beforeAll(async () => {
  uploading = await createUploading()
})
afterEach(async () => {
  await store.close()
  for (const line of lines) expect(line).not.toContain(store.secret)
  lines.length = 0
})
afterAll(() => uploading.end())

const run = async (behaviour: Behaviour = {}, viaServer: Parameters<typeof uploading.run>[0] = () => true) => {
  store = await startDirectStore(behaviour)
  return uploading.run(viaServer, { direct: store.direct, log })
}

const warnings = (): string[] => lines.filter((line) => line.includes('goes by way of the server'))

test('every byte goes to the store, once, and none by way of the server', async () => {
  const result = await run()
  expect(result.result).toBe(digest)
  expect(result.store.equals(content)).toBe(true)
  expect(result.lengths).toEqual([])
  expect(totalLength(result.stored)).toBe(SIZE)
  expect(result.durable).toEqual([{ start: 0, end: SIZE }])
})

test('the store is told what was signed, and nothing of who we are', async () => {
  await run()
  for (const { headers } of store.puts) {
    expect(Object.keys(headers).toSorted()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'content-length',
      'content-md5',
      'host',
      'user-agent',
    ])
    expect(headers.host).toBe(new URL(store.url).host)
  }
})

test('the last chunk tells the digest of the whole, and no other', async () => {
  await run()
  const told = store.commits.filter(({ sha256 }) => sha256 !== undefined)
  expect(told).toEqual([expect.objectContaining({ end: SIZE, sha256: digest })])
})

test('what the store says was damaged is sent again, to another URL', async () => {
  const { store: bytes } = await run({
    instead({ request, response, count }) {
      if (count > 3) return false
      request.resume()
      refuse(response, 400, 'BadDigest')
      return true
    },
  })
  expect(bytes.equals(content)).toBe(true)
  expect(new Set(store.puts.map(({ url }) => url)).size).toBe(store.puts.length)
})

test('an expired URL, a busy store, a broken connection: another URL is asked for', async () => {
  const troubles: NonNullable<Behaviour['instead']>[] = [
    ({ response }) => (refuse(response, 403, 'AccessDenied'), true),
    ({ response }) => (refuse(response, 503, 'SlowDown'), true),
    ({ response }) => (response.destroy(), true),
    ({ response }) => (response.writeHead(307, { location: `${store.url}/elsewhere` }).end(), true),
  ]
  const { store: bytes, lengths } = await run({ instead: (put) => troubles.shift()?.(put) ?? false })
  expect(bytes.equals(content)).toBe(true)
  expect(lengths).toEqual([])
  expect(store.puts.filter(({ url }) => url?.includes('elsewhere'))).toEqual([])
})

test('a lost answer to a commit costs no second sending', async () => {
  let lost = 0
  const { store: bytes } = await run({
    serverInstead({ path, response }) {
      if (!path.endsWith('/commit') || lost === 2) return false
      lost += 1
      response.destroy()
      return true
    },
  })
  expect(bytes.equals(content)).toBe(true)
  expect(store.offers.length).toBe(store.puts.length)
  expect(store.commits.length).toBe(store.puts.length + 2)
})

test('the limit holds for what goes to the store', async () => {
  const limiter = createLimiter()
  limiter.set({ rate: SIZE / 3 })
  store = await startDirectStore()
  const begunAt = performance.now()
  const { store: bytes, lengths } = await uploading.run(() => true, { direct: store.direct, log, limiter })
  expect(bytes.equals(content)).toBe(true)
  expect(lengths).toEqual([])
  expect(performance.now() - begunAt).toBeGreaterThan(1500)
})

test('what the server has already is sent nowhere', async () => {
  const there = { start: 0, end: 512 * 1024 }
  const { stored, durable } = await run({
    serverInstead({ path, response }) {
      if (path.endsWith('/commit') || store.offers.at(-1)?.start !== there.start) return false
      response.writeHead(204).end()
      return true
    },
  })
  expect(union(stored)).toEqual([{ start: there.end, end: SIZE }])
  expect(durable).toEqual([{ start: 0, end: SIZE }])
})

test('a session that is superseded at the commit ends the work', async () => {
  const ended = run({
    serverInstead({ path, response }) {
      if (path.endsWith('/commit')) problem(response, 409, 'attempt-superseded')
      return path.endsWith('/commit')
    },
  })
  await expect(ended).rejects.toMatchObject({ name: 'JobDropped', again: true })
})

test('a server that knows nothing of it any more gets the chunks itself, even what is in the store', async () => {
  const { store: bytes, lengths } = await run({
    serverInstead({ path, response }) {
      if (path.endsWith('/commit')) problem(response, 404, 'route-unknown')
      return path.endsWith('/commit')
    },
  })
  expect(bytes.equals(content)).toBe(true)
  expect(totalLength(lengths.map((length) => ({ start: 0, end: length })))).toBe(SIZE)
  expect(warnings().length).toBe(1)
})

test('something that takes everything, and is not the store that the server looks into: by way of the server', async () => {
  const { store: bytes, lengths } = await run({
    instead({ request, response }) {
      request.resume().once('end', () => response.writeHead(200).end('<h1>welcome</h1>'))
      return true
    },
  })
  expect(bytes.equals(content)).toBe(true)
  expect(totalLength(lengths.map((length) => ({ start: 0, end: length })))).toBe(SIZE)
  expect(warnings().length).toBe(1)
})

test('a store that nobody reaches: by way of the server, said once', async () => {
  const told: unknown[] = []
  const { store: bytes, lengths } = await run(
    { offered: () => 'http://127.0.0.1:9/x?signed-for-nobody-else' },
    (put) => {
      told.push(put.request.headers['repr-digest'])
      return true
    },
  )
  expect(bytes.equals(content)).toBe(true)
  expect(totalLength(lengths.map((length) => ({ start: 0, end: length })))).toBe(SIZE)
  expect(told).toContain(formatDigest(digest))
  expect(warnings().length).toBe(1)
  expect(warnings()[0]).toContain('ECONNREFUSED')
}, 60_000)

test.each(['ftp://store.example/x', 'no URL', 'http://user:word@127.0.0.1/x', 'file:///etc/passwd'])(
  'nothing is sent to %s',
  async (url) => {
    const { store: bytes } = await run({ offered: () => url })
    expect(bytes.equals(content)).toBe(true)
    expect(store.puts).toEqual([])
    expect(warnings().length).toBe(1)
  },
)

test('what goes to a server of https goes to no store of http', async () => {
  store = await startDirectStore()
  const ways = createStoreHttp({ server: 'https://hub.example', userAgent: 'test', proxyOf: () => undefined })
  expect(() => ways.to('http://store.example/x')).toThrow('https://')
  expect(ways.to('https://store.example/x/y?z=1').path).toBe('/x/y?z=1')
  const pinned = createStoreHttp({
    server: 'https://hub.example',
    userAgent: 'test',
    proxyOf: () => undefined,
    tls: { checkServerIdentity: () => undefined },
  })
  expect(() => pinned.to('https://store.example/x')).toThrow('--pin')
})

test('the answers of stores, and of what stands before them', async () => {
  store = await startDirectStore()
  const judge = (status: number, text = '') => {
    const rest = { headers: {}, json: undefined, problem: undefined, retryAfterMs: undefined, quietMs: 0 }
    return judgeStore({ status, bytes: Buffer.from(text), ...rest })
  }
  const xml = (code: string): string => `<Error><Code>${code}</Code></Error>`
  expect(judge(200)).toEqual({ act: 'landed' })
  expect(judge(412, xml('PreconditionFailed'))).toEqual({ act: 'landed' })
  expect(judge(400, xml('BadDigest'))).toEqual({ act: 'damaged' })
  expect(judge(413)).toMatchObject({ act: 'cut' })
  expect(judge(503, xml('SlowDown'))).toMatchObject({ act: 'failed', passing: true })
  expect(judge(400, xml('RequestTimeout'))).toMatchObject({ act: 'failed', passing: true })
  expect(judge(503, '<h1>blocked</h1>')).toMatchObject({ act: 'failed', passing: false })
  expect(judge(403, xml('AccessDenied'))).toMatchObject({ act: 'failed', passing: false })
  expect(judge(302)).toMatchObject({ act: 'failed', passing: false })
  expect(ofOffered({ 'Content-MD5': 'x', 'x-amz-acl': 'y', Cookie: 'z', 'Agent-Session': '1' })).toEqual({
    'Content-MD5': 'x',
    'x-amz-acl': 'y',
  })
})
