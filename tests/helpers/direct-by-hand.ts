import { createHash } from 'node:crypto'
import { expect } from '@jest/globals'
import { beginByHand } from './by-hand.ts'
import { sha256Of } from './folder.ts'
import type { S3Place } from './s3.ts'
import type { Json, Stack } from './stack.ts'

/** Puts bytes where an offer says. */
export const putTo = ({ url, headers }: Json, body: Buffer<ArrayBuffer>) =>
  fetch(String(url), { method: 'PUT', headers, body })

/** A client of its own, and one download begun, whose chunks of `piece` bytes go straight to the store, by hand. */
export async function directByHand(stack: Stack, place: S3Place, content: Buffer<ArrayBuffer>, piece: number) {
  const job = await beginByHand(stack, content)
  const post = (path: string, body: Json, headers: Record<string, string> = job.headers) =>
    fetch(`${stack.url}/jobs/${job.id}/chunks${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const chunk = (at: number, bytes = content.subarray(at * piece, (at + 1) * piece)) => ({
    attempt: 1,
    start: at * piece,
    end: at * piece + bytes.length,
    digest: sha256Of(bytes),
  })
  const offer = async (at: number, more: Json = {}, headers?: Record<string, string>) => {
    const md5 = createHash('md5')
      .update(content.subarray(at * piece, (at + 1) * piece))
      .digest('base64')
    const answer = await post('', { ...chunk(at), md5, ...more }, headers)
    return { status: answer.status, body: (answer.status === 204 ? {} : await answer.json()) as Json }
  }
  const commit = async (at: number, tag: string, more: Json = {}, headers?: Record<string, string>) => {
    const answer = await post('/commit', { ...chunk(at), tag, ...more }, headers)
    return { status: answer.status, body: (answer.status === 204 ? {} : await answer.json()) as Json }
  }
  /** @returns the tag */
  const put = async (at: number): Promise<string> => {
    const { body } = await offer(at)
    const answer = await putTo(body, content.subarray(at * piece, (at + 1) * piece))
    expect(answer.status).toBe(200)
    return String(body['tag'])
  }
  const objects = async (): Promise<string[]> =>
    (await place.keys()).filter((key) => key.startsWith(`parts/${job.id}.`) && !key.endsWith('/part'))
  return { ...job, offer, commit, put, objects }
}
