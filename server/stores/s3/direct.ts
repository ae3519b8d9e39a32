import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { create as contentDisposition } from 'content-disposition'
import type { ByteStore, DirectChunks } from '../../byte-ports.ts'
import { checkUrls } from './check-urls.ts'
import type { Clients } from './client.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'
import { newTag } from './writer.ts'

/** URLs by which callers reach the object store without a server in between; who has one needs nothing else. */
export function createDirect({
  clients: { signer },
  objects,
  layout,
}: {
  clients: Clients
  objects: Objects
  layout: Layout
}): Required<Pick<ByteStore, 'contentUrl' | 'direct'>> {
  const presignChunk: DirectChunks['presignChunk'] = async ({ part, start, length, md5, seconds }) => {
    const tag = newTag()
    const object = { Bucket: objects.bucket, Key: layout.chunk(part, start, tag) }
    const put = new PutObjectCommand({ ...object, ContentLength: length, ContentMD5: md5, IfNoneMatch: '*' })
    // Signed as headers: the store refuses any other length, what was damaged on the way, and a second body.
    const signed = new Set(['content-length', 'content-md5', 'if-none-match'])
    const options = { expiresIn: seconds, signableHeaders: signed, unhoistableHeaders: signed }
    const url = await getSignedUrl(signer, put, options)
    return { url, headers: { 'Content-Length': String(length), 'Content-MD5': md5, 'If-None-Match': '*' }, tag }
  }

  return {
    contentUrl(name, { filename, seconds }) {
      const object = { Bucket: objects.bucket, Key: layout.file(name) }
      const ResponseContentDisposition = contentDisposition(filename)
      return getSignedUrl(signer, new GetObjectCommand({ ...object, ResponseContentDisposition }), {
        expiresIn: seconds,
      })
    },

    direct: {
      presignChunk,
      check: () => checkUrls({ presignChunk, objects, layout }),
      discardChunk: (part, start, tag) => objects.remove(layout.chunk(part, start, tag)),
      chunkLanded: async (part, start, tag) => (await objects.head(layout.chunk(part, start, tag)))?.size,
    },
  }
}
