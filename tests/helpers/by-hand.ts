import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { formatDigest } from '../../shared/digest.ts'
import { putChunk, type ChunkOptions } from './chunks.ts'
import { sha256Of } from './folder.ts'
import { rawAgent, type Json, type Stack } from './stack.ts'
import { until } from './until.ts'

/** A client of its own, served by hand: a session, and one download of `content` begun; `source` adds to its begin. */
export async function beginByHand(stack: Stack, content: Buffer<ArrayBuffer>, ask: Json = {}, source: Json = {}) {
  const clientId = `client-${randomUUID()}`
  const agent = await rawAgent(stack, clientId)
  const { id } = await stack.ask({ clientId, ...ask })
  const begun = await agent.begin(id, content.byteLength, 'v1', source)
  if (begun.status !== 200) throw new Error(`begin was answered ${JSON.stringify(begun.body)}`)
  const put = (start: number, end: number, extra: Partial<ChunkOptions> = {}) =>
    putChunk(stack, id, {
      session: agent.session,
      attempt: 1,
      start,
      bytes: content.subarray(start, end),
      total: content.byteLength,
      ...extra,
    })
  return { ...agent, begun: begun.body, clientId, id: String(id), put }
}

/**
 * A PUT whose body stops after a few bytes; resolves once the server has taken its headers.
 * @param content the file, whose bytes `finish` sends to the end of the range
 */
export async function halfPut(
  stack: Stack,
  job: { id: string; session: string },
  range: [number, number],
  total: number,
  content?: Buffer,
) {
  const [start, end] = range
  const bytes = content?.subarray(start, end) ?? Buffer.from('some')
  const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
  let text = ''
  socket.on('data', (data) => (text += data.toString())).on('error', () => undefined)
  socket.write(
    [
      `PUT /jobs/${job.id}/file HTTP/1.1`,
      'Host: localhost',
      'Expect: 100-continue',
      `Agent-Session: ${job.session}`,
      'Attempt: 1',
      `Content-Range: bytes ${start}-${end - 1}/${total}`,
      `Content-Digest: ${formatDigest(sha256Of(content ? bytes : Buffer.from('never sent')))}`,
      `Content-Length: ${end - start}`,
      '\r\n',
    ].join('\r\n'),
  )
  await until('100 Continue', async () => text.startsWith('HTTP/1.1 100'))
  socket.write(bytes.subarray(0, 4))
  return {
    socket,
    finish: () => void socket.write(bytes.subarray(4)),
    answered: (status: number) => until(`${status}`, async () => text.includes(`HTTP/1.1 ${status} `)),
  }
}
