import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { createApi } from '../../cli/api.ts'
import { createHttp } from '../../cli/http.ts'
import { receive, type Received, type Sink } from '../../cli/receive.ts'
import { save, type Saved } from '../../cli/save.ts'
import { fileIn, resolveTarget, type Target } from '../../cli/target.ts'
import { formatDigest } from '../../shared/digest.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const content = randomBytes(300_000)
const hex = createHash('sha256').update(content).digest('hex')
const whole = { etag: '"d1.1"', 'content-length': content.length, 'repr-digest': formatDigest(hex) }
const half = 150_000
const patience = { tries: 3, firstPause: 1, longestPause: 2 }

let folder: string
let server: Server
let answers: Handler[]
let asked: IncomingMessage[]
let stdout: PassThrough
let received: number
let arrivals: EventEmitter

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backhaul-cli-'))
  answers = []
  asked = []
  received = 0
  arrivals = new EventEmitter()
  stdout = new PassThrough({ highWaterMark: 1024 * 1024 })
  server = createServer((request, response) => {
    // The last answer stands for all that follow.
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    asked.push(request)
    answer?.(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

/** Sends `length` bytes of what it promised, and breaks the connection when they have arrived. */
function breaksAfter(length: number, headers: object = whole): Handler {
  return (_request, response) => {
    response.writeHead(200, { ...headers })
    const breakOnceThere = (): void => {
      if (received >= length) response.destroy()
      else arrivals.once('bytes', breakOnceThere)
    }
    response.write(content.subarray(0, length), breakOnceThere)
  }
}

const sendsAll: Handler = (_request, response) => void response.writeHead(200, whole).end(content)

const sendsRest: Handler = (request, response) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1])
  const range = `bytes ${start}-${content.length - 1}/${content.length}`
  response.writeHead(206, { etag: whole.etag, 'content-range': range, 'content-length': content.length - start })
  response.end(content.subarray(start))
}

function saveTo(target: Target, expected?: string): Promise<Saved> {
  if (target.kind === 'folder') throw new Error('name a file')
  const { port } = server.address() as AddressInfo
  const { signal } = new AbortController()
  const api = createApi({ http: createHttp({ server: new URL(`http://127.0.0.1:${port}/`), version: 'test', signal }) })
  const open = (headers: Record<string, string>) => api.content('d1', headers)
  const onProgress = (at: number): void => {
    received = at
    arrivals.emit('bytes')
  }
  const fill = (sink: Sink): Promise<Received> => receive({ open, sink, signal, patience, onProgress })
  return save({ target, stdout, fill, expected: async () => expected })
}

const saveAs = async (name: string, expected?: string): Promise<Saved> =>
  saveTo(await resolveTarget(name, folder, false), expected)

describe('a file', () => {
  test('is there complete and compared with Repr-Digest', async () => {
    answers = [sendsAll]
    const path = join(folder, 'got')
    expect(await saveAs('got')).toEqual({ path, size: content.length, sha256: hex, verified: true })
    expect((await readFile(path)).equals(content)).toBe(true)
    expect(await readdir(folder)).toEqual(['got'])
  })

  test('that has another digest than promised is not kept, and the one before it is', async () => {
    answers = [(_request, response) => void response.end(content)]
    await writeFile(join(folder, 'got'), 'before')
    await expect(saveAs('got', '0'.repeat(64))).rejects.toMatchObject({ code: 'damaged', exitCode: 1 })
    expect(await readdir(folder)).toEqual(['got'])
    expect(await readFile(join(folder, 'got'), 'utf8')).toBe('before')
  })

  test('is taken up where the connection broke, with Range and If-Range', async () => {
    answers = [breaksAfter(half), sendsRest]
    expect(await saveAs('got')).toMatchObject({ sha256: hex, verified: true })
    expect(asked.map(({ headers }) => [headers.range, headers['if-range']])).toEqual([
      [undefined, undefined],
      [`bytes=${half}-`, '"d1.1"'],
    ])
    expect((await readFile(join(folder, 'got'))).equals(content)).toBe(true)
  })

  test('begins anew when the content is another one by then', async () => {
    const other = { ...whole, etag: '"d1.0"' }
    answers = [breaksAfter(half, { ...other, 'repr-digest': formatDigest('0'.repeat(64)) }), sendsAll]
    expect(await saveAs('got')).toMatchObject({ size: content.length, sha256: hex })
    expect((await readFile(join(folder, 'got'))).equals(content)).toBe(true)
  })

  test('begins anew without a range when there is no strong ETag', async () => {
    answers = [breaksAfter(half, { 'content-length': content.length, etag: 'W/"d1"' }), sendsAll]
    expect(await saveAs('got')).toMatchObject({ sha256: hex })
    expect(asked[1]?.headers.range).toBeUndefined()
  })

  test('is not kept when the connection breaks for good', async () => {
    answers = [breaksAfter(half)]
    await expect(saveAs('got')).rejects.toMatchObject({ code: 'connection-broken', exitCode: 1 })
    expect(asked.length).toBe(1 + 1 + patience.tries)
    expect(await readdir(folder)).toEqual([])
  })

  test('of nothing is a file too', async () => {
    answers = [(_request, response) => void response.writeHead(200, { 'content-length': 0 }).end()]
    expect(await saveAs('got')).toMatchObject({ size: 0, verified: false })
    expect(await readFile(join(folder, 'got'), 'utf8')).toBe('')
  })

  test('behind a symbolic link is replaced, and the link stays', async () => {
    answers = [sendsAll]
    await writeFile(join(folder, 'real'), 'before')
    await symlink('real', join(folder, 'link'))
    expect((await saveAs('link')).path).toMatch(/\/real$/)
    expect((await readFile(join(folder, 'link'))).equals(content)).toBe(true)
  })

  test('whose name nobody typed is never replaced unless told so', async () => {
    await writeFile(join(folder, 'passwd'), 'mine')
    await expect(fileIn(folder, '/etc/passwd', false)).rejects.toMatchObject({ code: 'file-exists', exitCode: 2 })
    answers = [sendsAll]
    const target: Target = { kind: 'file', path: join(folder, 'passwd'), overwrite: false }
    await expect(saveTo(target)).rejects.toMatchObject({ code: 'file-exists' })
    expect(await readFile(join(folder, 'passwd'), 'utf8')).toBe('mine')
    expect(await saveTo(await fileIn(folder, '/etc/passwd', true))).toMatchObject({ sha256: hex })
  })
})

describe('an output', () => {
  test('in a folder that is not there is refused before anything is asked', async () => {
    await expect(resolveTarget('no/such', folder, false)).rejects.toMatchObject({ code: 'output-invalid', exitCode: 2 })
    await expect(resolveTarget('nor/', folder, false)).rejects.toMatchObject({ code: 'output-invalid' })
  })

  test('that is a device is written to, and not replaced', async () => {
    expect(await resolveTarget('/dev/null', folder, false)).toEqual({ kind: 'device', path: '/dev/null' })
    answers = [sendsAll]
    expect(await saveAs('/dev/null')).toMatchObject({ sha256: hex, verified: true })
  })

  test('to a stream goes on after a break, without a byte twice, even where ranges are ignored', async () => {
    answers = [breaksAfter(half), sendsAll]
    expect(await saveAs('-')).toMatchObject({ path: undefined, sha256: hex })
    expect((stdout.read() as Buffer).equals(content)).toBe(true)
  })

  test('to a stream cannot begin anew', async () => {
    answers = [breaksAfter(half, { ...whole, etag: '"d1.0"' }), sendsAll]
    await expect(saveAs('-')).rejects.toMatchObject({ code: 'content-broken', exitCode: 1 })
  })
})
