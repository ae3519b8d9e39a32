import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { createBudget } from '../../../shared/budget.ts'
import type { Range } from '../../../shared/ranges.ts'
import type { Clients } from './client.ts'
import { asStoreError, isBare404, isPassing, isTaken, unlessMissing } from './errors.ts'
import type { Spool } from './spool.ts'

/** Bodies under way to the store at once: more would only wait for each other on the line. */
const UPLOADS = 64
const TRIES = 4
/** Before the second try, in ms; twice as long before each that follows. */
const PAUSE = 200

export type Metadata = Record<string, string>

/** The objects of a bucket. Failures that may pass are AppErrors `store-busy`. */
export interface Objects {
  bucket: string
  head(key: string): Promise<{ size: number; metadata: Metadata } | undefined>
  /** A small object's text. */
  text(key: string): Promise<string | undefined>
  /** The bytes of a range; the connection is the stream's. @throws `NoSuchKey` (isMissing) */
  get(key: string, range: Range, signal?: AbortSignal): Promise<Readable>
  /** Puts a small object. @returns false when `ifAbsent` and there is one */
  put(key: string, text: string, options?: { ifAbsent?: boolean; metadata?: Metadata }): Promise<boolean>
  putSpool(key: string, spool: Spool, metadata?: Metadata): Promise<void>
  remove(key: string): Promise<void>
  removeAll(keys: readonly string[]): Promise<void>
  /** Keys in order, a page at a time. */
  list(prefix: string): AsyncGenerator<string[]>
  /** The folders below one, with their strokes. */
  folders(prefix: string): AsyncGenerator<string[]>
  /** Waits for a request, and throws its failure as an error of ours. */
  telling<T>(request: Promise<T>): Promise<T>
  /** Sends a spool in a request, again while failures may pass. */
  sending<T>(spool: Spool, request: (sent: Sent) => Promise<T>): Promise<T>
}

/** A body as a request says it. */
export interface Sent {
  Body: Readable
  ContentLength: number
  ContentMD5: string
}

export function openObjects({ work, reads }: Clients, bucket: string): Objects {
  const uploads = createBudget(UPLOADS)
  const never = new AbortController().signal

  const telling = async <T>(request: Promise<T>): Promise<T> => {
    try {
      return await request
    } catch (error) {
      throw asStoreError(error, bucket)
    }
  }

  // The SDK tries again what it can send again; a stream it cannot.
  const sending = async <T>(spool: Spool, request: (sent: Sent) => Promise<T>): Promise<T> => {
    const giveBack = await uploads.reserve(1, never)
    const known = { ContentLength: spool.length(), ContentMD5: spool.md5() }
    try {
      return await telling(retrying(() => sendOnce(spool, (Body) => request({ Body, ...known }))))
    } finally {
      giveBack()
    }
  }

  /** A HEAD's 404 may be anybody's on the way: a GET's is the store's, when it says what is missing. */
  const describe = async (object: { Bucket: string; Key: string }) => {
    try {
      return await work.send(new HeadObjectCommand(object))
    } catch (error) {
      if (!isBare404(error)) throw error
      const found = await work.send(new GetObjectCommand(object))
      ;(found.Body as Readable).destroy()
      return found
    }
  }

  return {
    bucket,
    telling,
    sending,

    async head(key) {
      const found = await telling(unlessMissing(describe({ Bucket: bucket, Key: key })))
      return found && { size: found.ContentLength ?? 0, metadata: found.Metadata ?? {} }
    },

    async text(key) {
      const found = await telling(unlessMissing(work.send(new GetObjectCommand({ Bucket: bucket, Key: key }))))
      return found && (await telling(found.Body!.transformToString()))
    },

    async get(key, { start, end }, signal) {
      const range = { Bucket: bucket, Key: key, Range: `bytes=${start}-${end - 1}` }
      const found = await telling(reads.send(new GetObjectCommand(range), signal ? { abortSignal: signal } : {}))
      const body = found.Body as Readable
      // It may break before anybody takes its bytes; who does hears of it.
      return body.on('error', () => undefined)
    },

    async put(key, text, { ifAbsent = false, metadata = {} } = {}) {
      const Body = Buffer.from(text)
      const known = { ContentLength: Body.byteLength, ContentMD5: createHash('md5').update(Body).digest('base64') }
      const condition = ifAbsent ? { IfNoneMatch: '*' } : {}
      const object = { Bucket: bucket, Key: key, Body, Metadata: metadata, ...known, ...condition }
      try {
        await work.send(new PutObjectCommand(object))
        return true
      } catch (error) {
        if (ifAbsent && isTaken(error)) return false
        throw asStoreError(error, bucket)
      }
    },

    async putSpool(key, spool, metadata = {}) {
      const object = { Bucket: bucket, Key: key, Metadata: metadata, ContentType: 'application/octet-stream' }
      await sending(spool, (sent) => work.send(new PutObjectCommand({ ...object, ...sent })))
    },

    async remove(key) {
      await telling(unlessMissing(work.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))))
    },

    async removeAll(keys) {
      if (keys.length === 0) return
      const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true }
      const { Errors = [] } = await telling(work.send(new DeleteObjectsCommand({ Bucket: bucket, Delete })))
      const [first] = Errors
      if (!first) return
      const error = Object.assign(new Error(first.Message), { name: first.Code ?? 'InternalError' })
      throw asStoreError(error, bucket)
    },

    async *list(prefix) {
      for await (const page of pages({ Prefix: prefix })) yield (page.Contents ?? []).map(({ Key = '' }) => Key)
    },

    async *folders(prefix) {
      for await (const page of pages({ Prefix: prefix, Delimiter: '/' }))
        yield (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix)
    },
  }

  async function* pages(which: { Prefix: string; Delimiter?: string }) {
    let next: string | undefined
    do {
      const page = await telling(
        work.send(new ListObjectsV2Command({ Bucket: bucket, ...which, ContinuationToken: next })),
      )
      yield page
      next = page.NextContinuationToken
    } while (next !== undefined)
  }
}

async function sendOnce<T>(spool: Spool, request: (body: Readable) => Promise<T>): Promise<T> {
  const body = spool.body()
  try {
    return await request(body)
  } finally {
    body.destroy()
  }
}

/** Tries again, a few times, while failures may pass. */
export async function retrying<T>(work: () => Promise<T>, tries = TRIES): Promise<T> {
  for (let failed = 1; ; failed += 1) {
    try {
      return await work()
    } catch (error) {
      if (failed >= tries || !isPassing(error)) throw error
      // Spread, so that those who failed together do not come back together.
      await delay(PAUSE * 2 ** failed * (0.5 + Math.random() / 2))
    }
  }
}
