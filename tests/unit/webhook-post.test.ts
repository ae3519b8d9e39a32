import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, test } from '@jest/globals'
import { createPost, type Answer } from '../../server/webhooks/post.ts'

/** What somebody does who has been sent a webhook. */
type Act = (socket: Socket) => void

const says =
  (...text: string[]): Act =>
  (socket) =>
    void socket.write(text.join('\r\n'))
/** Says it again and again, until the other side has had enough. */
const goesOn =
  (first: string, again: string): Act =>
  (socket) => {
    socket.write(first)
    const timer = setInterval(() => void socket.write(again), 200)
    socket.once('close', () => clearInterval(timer))
  }
const breaks =
  (...text: string[]): Act =>
  (socket) =>
    void socket.write(text.join('\r\n'), () => socket.resetAndDestroy())

/** What becomes of a webhook that is sent to somebody who does that. */
async function sentTo(act: Act): Promise<Answer> {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    // What is cut off on either side is what is tried here.
    socket.on('error', () => undefined).once('data', () => act(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hidden?key=hidden`)
  const post = createPost({ url, key: '', shown: '', proxy: undefined }, 'test')
  const answer = await post.send('{}', { 'webhook-id': 'evt_1' }, new AbortController().signal)
  post.close()
  // Which it is when the last connection is.
  await once(server.close(), 'close')
  expect(connections).toBe(1)
  expect(answer.what).not.toContain('hidden')
  return answer
}

const EMPTY = 'content-length: 0\r\n\r\n'

const odd: [string, Act, Partial<Answer>][] = [
  ['no HTTP', says('SSH-2.0-OpenSSH\r\n'), { what: 'Parse Error: Expected HTTP/, RTSP/ or ICE/' }],
  [
    'headers without end',
    goesOn('HTTP/1.1 200 OK\r\n', `x: ${'y'.repeat(9000)}\r\n`),
    { what: 'Parse Error: Header overflow' },
  ],
  ['a body that breaks off', breaks('HTTP/1.1 200 OK', 'content-length: 9', '', 'abc'), { status: 200 }],
  ['a body that is not in its encoding', says('HTTP/1.1 200 OK', 'content-encoding: gzip', EMPTY), { status: 200 }],
  ['a place that is none', says('HTTP/1.1 302 Found', 'location: ::::', EMPTY), { status: 302 }],
  ['a wish for a password', says('HTTP/1.1 401 No', 'www-authenticate: Basic', EMPTY), { status: 401 }],
  ['a status that there is not', says('HTTP/1.1 999 Odd', EMPTY), { status: 999 }],
  ['a pause', says('HTTP/1.1 503 Busy', 'retry-after: 7', EMPTY), { status: 503, retryAfterMs: 7000 }],
  [
    'a pause for ever',
    says('HTTP/1.1 503 Busy', `retry-after: ${'9'.repeat(20)}`, EMPTY),
    { retryAfterMs: 43_200_000 },
  ],
  ['a pause that is none', says('HTTP/1.1 503 Busy', 'retry-after: -7', EMPTY), { retryAfterMs: 0 }],
  [
    'another protocol',
    says('HTTP/1.1 101 Switching', 'connection: upgrade', 'upgrade: x', '', ''),
    { what: 'HTTP 101' },
  ],
  ['nothing but an end', breaks(''), { status: undefined }],
]
for (const [what, act, expected] of odd) {
  test(`who answers with ${what} is understood, and nothing is sent twice`, async () => {
    expect(await sentTo(act)).toMatchObject(expected)
  })
}

test('nobody holds a webhook for longer than its limit, whatever comes meanwhile', async () => {
  const late = { status: undefined, what: 'no answer within 15 s' }
  const slow: [Act, Partial<Answer>][] = [
    [() => undefined, late],
    [goesOn('HTTP/1.1 200 OK\r\n', 'x: y\r\n'), late],
    [goesOn('', 'HTTP/1.1 102 Processing\r\n\r\n'), late],
    // It is taken all the same.
    [goesOn('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n', 'a'), { status: 200 }],
  ]
  const answers = await Promise.all(slow.map(([act]) => sentTo(act)))
  expect(answers).toMatchObject(slow.map(([, expected]) => expected))
})
