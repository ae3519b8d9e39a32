import { HeadBucketCommand } from '@aws-sdk/client-s3'
import { messageOf } from '../../../shared/errors.ts'
import type { Clients } from './client.ts'
import { codeOf, isPassing, whyRefused } from './errors.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'

/**
 * Makes sure that the bucket can be used, and marks the place as the owner's.
 * @throws Error that says what to do
 */
export async function takePlace(deps: {
  clients: Clients
  objects: Objects
  layout: Layout
  owner: string
  url: string
}): Promise<void> {
  const { clients, objects, layout, owner, url } = deps
  const mark = JSON.stringify({ owner })
  try {
    await clients.work.send(new HeadBucketCommand({ Bucket: objects.bucket }))
    const found = (await objects.text(layout.owner)) ?? (await markAs(mark))
    if (found !== mark) throw new Error(`another installation uses ${url}; give each database a STORAGE_URL of its own`)
    // The mark is there now. A store that takes it once more would let two servers make the same part.
    if (await objects.put(layout.owner, mark, { ifAbsent: true }))
      throw new Error(`the object store of ${url} ignores If-None-Match, without which several servers cannot share it`)
  } catch (error) {
    throw explained(error, url)
  }

  async function markAs(text: string): Promise<string | undefined> {
    await objects.put(layout.owner, text, { ifAbsent: true })
    return objects.text(layout.owner)
  }
}

function explained(error: unknown, url: string): Error {
  const cause = (error as Error).cause ?? error
  const code = codeOf(cause)
  const why =
    (code === 'NotFound' ? whyRefused({ name: 'NoSuchBucket' }) : whyRefused(cause)) ??
    (messageOf(cause) === 'Region is missing' ? 'no region is named; set AWS_REGION' : undefined) ??
    (isPassing(cause) ? `it does not answer (${messageOf(cause) || code}); check S3_ENDPOINT` : undefined)
  return why === undefined ? (error as Error) : new Error(`${url} cannot be used: ${why}`, { cause })
}
