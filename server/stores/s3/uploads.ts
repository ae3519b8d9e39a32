import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { z } from 'zod'
import type { Range } from '../../../shared/ranges.ts'
import type { Clients } from './client.ts'
import { asStoreError, codeOf, unlessMissing } from './errors.ts'
import type { Metadata, Objects } from './objects.ts'
import type { Spool } from './spool.ts'

/** A part that the store has. */
export interface StoredPart {
  size: number
  etag: string
}

/** One multipart upload, which any server can go on with. */
export interface Upload {
  /** The parts that were there when it was opened, by their numbers. */
  stored: ReadonlyMap<number, StoredPart>
  /** Puts what a spool holds. @returns its ETag */
  put(number: number, spool: Spool): Promise<string>
  /** Lets the store copy a range of an object. @returns its ETag */
  copy(number: number, source: string, range: Range): Promise<string>
  /** @param etags of all parts, in order */
  complete(etags: readonly string[]): Promise<void>
}

export interface Uploads {
  /** Goes on with the upload that is noted at `note`, or begins one and notes it. */
  open(key: string, note: string, metadata: Metadata): Promise<Upload>
  /** Ends the upload that is noted, if there is one. */
  abandon(note: string): Promise<void>
  /** Ends all uploads of a key. */
  abandonAll(key: string): Promise<void>
}

/** How files are divided; raised with every change of that, so that no upload gets parts of two divisions. */
const DIVISION = 1
const noteSchema = z.object({ division: z.number(), key: z.string(), id: z.string() })
type Note = z.infer<typeof noteSchema>

export function createUploads({ work, copies }: Clients, objects: Objects): Uploads {
  const { bucket, telling, sending } = objects

  const readNote = async (note: string): Promise<Note | undefined> => {
    const text = await objects.text(note)
    return text === undefined ? undefined : noteSchema.parse(JSON.parse(text))
  }

  const abort = async (Key: string, UploadId: string): Promise<void> => {
    await telling(unlessMissing(work.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))))
  }

  /** @returns undefined when there is no such upload */
  const storedParts = async (Key: string, UploadId: string): Promise<Map<number, StoredPart> | undefined> => {
    const stored = new Map<number, StoredPart>()
    for (let marker: string | undefined, more = true; more;) {
      const asked = { Bucket: bucket, Key, UploadId, ...(marker === undefined ? {} : { PartNumberMarker: marker }) }
      const page = await telling(unlessMissing(work.send(new ListPartsCommand(asked))))
      if (!page) return undefined
      for (const { PartNumber = 0, Size = 0, ETag = '' } of page.Parts ?? [])
        stored.set(PartNumber, { size: Size, etag: ETag })
      marker = page.NextPartNumberMarker
      more = page.IsTruncated === true && marker !== undefined
    }
    return stored
  }

  const begin = async (key: string, note: string, metadata: Metadata): Promise<string> => {
    const object = { Bucket: bucket, Key: key, Metadata: metadata, ContentType: 'application/octet-stream' }
    const { UploadId = '' } = await telling(work.send(new CreateMultipartUploadCommand(object)))
    const mine: Note = { division: DIVISION, key, id: UploadId }
    if (await objects.put(note, JSON.stringify(mine), { ifAbsent: true })) return UploadId
    const theirs = await readNote(note)
    // It was noted with a first try, whose answer got lost.
    if (theirs?.id === UploadId) return UploadId
    // Somebody else has just begun: both work at theirs.
    await abort(key, UploadId)
    return theirs?.key === key && theirs.division === DIVISION ? theirs.id : begin(key, note, metadata)
  }

  const upload = (Key: string, UploadId: string, stored: ReadonlyMap<number, StoredPart>): Upload => {
    const at = { Bucket: bucket, Key, UploadId }

    const completeWith = async (etags: readonly string[]): Promise<void> => {
      const Parts = etags.map((ETag, index) => ({ PartNumber: index + 1, ETag }))
      await copies.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }))
    }

    return {
      stored,
      async put(PartNumber, spool) {
        const { ETag = '' } = await sending(spool, (sent) =>
          work.send(new UploadPartCommand({ ...at, PartNumber, ...sent })),
        )
        return ETag
      },
      async copy(PartNumber, source, { start, end }) {
        const from = { CopySource: copySource(bucket, source), CopySourceRange: `bytes=${start}-${end - 1}` }
        const { CopyPartResult } = await telling(copies.send(new UploadPartCopyCommand({ ...at, PartNumber, ...from })))
        return CopyPartResult?.ETag ?? ''
      },
      async complete(etags) {
        try {
          await completeWith(etags)
        } catch (error) {
          if (codeOf(error) !== 'InvalidPart') throw asStoreError(error, bucket)
          // Somebody else has put some of the same parts meanwhile, and not every store gives those the same ETag.
          const now = await storedParts(Key, UploadId)
          await telling(completeWith(etags.map((etag, index) => now?.get(index + 1)?.etag ?? etag)))
        }
      },
    }
  }

  return {
    async open(key, note, metadata) {
      const noted = await readNote(note)
      const usable = noted?.key === key && noted.division === DIVISION
      const stored = usable ? await storedParts(key, noted.id) : undefined
      if (usable && stored) return upload(key, noted.id, stored)
      if (noted) {
        await abort(noted.key, noted.id)
        await objects.remove(note)
      }
      const id = await begin(key, note, metadata)
      return upload(key, id, (await storedParts(key, id)) ?? new Map())
    },

    async abandon(note) {
      const noted = await readNote(note)
      if (noted) await abort(noted.key, noted.id)
    },

    async abandonAll(key) {
      const { Uploads: all = [] } = await telling(
        work.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key })),
      )
      for (const { Key, UploadId } of all) if (Key === key && UploadId !== undefined) await abort(key, UploadId)
    },
  }
}

/** Keys may hold anything that names may: the header takes them percent-encoded. */
export const copySource = (bucket: string, key: string): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
