import { randomUUID } from 'node:crypto'
import { DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import type { S3Address } from '../../server/stores/open.ts'

/** Why there can be no test on S3 here; undefined when there can. */
export function s3Lacking(): string | undefined {
  if (process.env['S3_ENDPOINT'] && process.env['S3_BUCKET']) return undefined
  return 'needs an S3 server: S3_ENDPOINT, S3_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION'
}

export interface S3Place extends S3Address {
  /** As it stands in STORAGE_URL. */
  url: string
  endpoint: string
  client: S3Client
  /** All keys of the place without its prefix, in order. */
  keys(): Promise<string[]>
  /** Removes everything in it, and ends the client. */
  remove(): Promise<void>
}

/** A place of its own in the bucket for tests: a random prefix. */
export function s3Place(): S3Place {
  const bucket = process.env['S3_BUCKET'] ?? ''
  const endpoint = process.env['S3_ENDPOINT'] ?? ''
  const name = `tests/${randomUUID()}`
  const prefix = `${name}/`
  const client = new S3Client({ endpoint, forcePathStyle: true, region: process.env['AWS_REGION'] ?? 'us-east-1' })

  const keys = async (): Promise<string[]> => {
    const all: string[] = []
    let after: string | undefined
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: after }),
      )
      all.push(...(page.Contents ?? []).map(({ Key = '' }) => Key.slice(prefix.length)))
      after = page.NextContinuationToken
    } while (after !== undefined)
    return all
  }

  const removeKeys = async (some: readonly string[]): Promise<void> => {
    const Objects = some.map((key) => ({ Key: prefix + key }))
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
  }

  return {
    kind: 's3',
    bucket,
    prefix,
    endpoint,
    url: `s3://${bucket}/${name}`,
    client,
    keys,
    async remove() {
      const all = await keys()
      for (let at = 0; at < all.length; at += 1000) await removeKeys(all.slice(at, at + 1000))
      client.destroy()
    },
  }
}
