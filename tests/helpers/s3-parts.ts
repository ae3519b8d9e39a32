import { randomUUID } from 'node:crypto'
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import type { ByteStore, Part, PartRows } from '../../server/byte-ports.ts'
import type { Chunk } from '../../server/ports.ts'
import type { S3Place } from './s3.ts'

/** A part with its rows, as the job store would have them. */
export interface WrittenPart extends Part {
  size: number
  chunks: Chunk[]
  rows: PartRows
}

/** Rows that are kept in a list. */
export function rowsOf(chunks: Chunk[]): PartRows {
  return {
    received: async () => chunks,
    chunksFrom: async (_id, _attempt, from, limit) =>
      chunks
        .filter(({ end }) => end > from)
        .toSorted((a, b) => a.start - b.start)
        .slice(0, limit),
  }
}

/** Writes a new part in chunks of these lengths, which must be those of the content. */
export async function writePart(bytes: ByteStore, content: Buffer, lengths: readonly number[]): Promise<WrittenPart> {
  const part = { id: randomUUID(), attempt: 1, size: content.byteLength }
  await bytes.createPart(part, part.size)
  const chunks: Chunk[] = []
  let start = 0
  for (const length of lengths) {
    const range = { start, end: (start += length) }
    const writer = await bytes.openWriter(part, range)
    await writer.write([content.subarray(range.start, range.end)])
    chunks.push({ ...range, digest: '', tag: await writer.commit() })
    await writer.close()
  }
  return { ...part, chunks, rows: rowsOf(chunks) }
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

export async function contentOf(bytes: ByteStore, name: string): Promise<Buffer> {
  const content = await bytes.openContent(name)
  try {
    return await collect(content.read({ start: 0, end: content.size }))
  } finally {
    await content.close()
  }
}

/** Multipart uploads under way in a place. */
export async function uploadsIn({ client, bucket, prefix }: S3Place): Promise<{ key: string; id: string }[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }))
  return Uploads.map(({ Key = '', UploadId = '' }) => ({ key: Key.slice(prefix.length), id: UploadId }))
}
