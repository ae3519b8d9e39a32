import { HeadBucketCommand } from '@aws-sdk/client-s3'
import { AppError } from '../../../shared/errors.ts'
import type { ByteStore, Part } from '../../byte-ports.ts'
import type { S3Address } from '../open.ts'
import { createClients } from './client.ts'
import { createComposer } from './compose.ts'
import { createDirect } from './direct.ts'
import { createHashers } from './hasher.ts'
import { layoutOf, partOf } from './layout.ts'
import { openObjects } from './objects.ts'
import { openFile, openPartReader } from './reader.ts'
import { takePlace } from './place.ts'
import { createSpools } from './spool.ts'
import { createUploads } from './uploads.ts'
import { openChunkWriter } from './writer.ts'

/** @param owner what marks the place as that of one database */
export type S3Options = Omit<S3Address, 'kind'> & { owner: string }

/**
 * Chunks and finished files as objects below a prefix, which any number of servers share.
 * @throws Error that says what to do when the bucket cannot be used, or is another's
 */
export async function openS3Bytes({ bucket, prefix, owner, ...at }: S3Options): Promise<ByteStore> {
  const clients = createClients(at)
  const layout = layoutOf(prefix)
  const url = `s3://${bucket}/${prefix}`
  const objects = openObjects(clients, bucket)
  const uploads = createUploads(clients, objects)
  const spools = createSpools()
  let writers = 0
  const composer = createComposer({ clients, objects, uploads, spools, layout })
  const { contentUrl, direct } = createDirect({ clients, objects, layout })

  const checkBucket = async (): Promise<void> => {
    await objects.telling(clients.work.send(new HeadBucketCommand({ Bucket: bucket })))
  }

  const removePart = async (part: Part): Promise<void> => {
    const marker = layout.marker(part)
    const upload = layout.upload(part)
    for await (const keys of objects.list(layout.folder(part))) {
      if (keys.includes(upload)) await uploads.abandon(upload)
      await objects.removeAll(keys.filter((key) => key !== marker))
    }
    // Last: what a crash leaves behind is still a part.
    await objects.remove(marker)
  }

  const openContent: ByteStore['openContent'] = async (name) => {
    const found = await objects.head(layout.file(name))
    if (!found) throw new AppError('content-removed', `The file ${name} is not in the store any more.`)
    return openFile(objects, layout.file(name), found.size)
  }

  try {
    await takePlace({ clients, objects, layout, owner, url })
  } catch (error) {
    clients.close()
    throw error
  }
  return {
    failedCommitLoses: 'chunk',

    createPart: (part, size) =>
      objects.put(layout.marker(part), '', { ifAbsent: true, metadata: { size: String(size) } }),

    // Whether the part is there is not asked: what is written to one that is gone has no row, and is discarded or swept.
    async openWriter(part, range) {
      const keyOf = (tag: string): string => layout.chunk(part, range.start, tag)
      const writer = await openChunkWriter({ objects, spools }, range.end - range.start, keyOf)
      writers += 1
      return {
        ...writer,
        async close() {
          writers -= 1
          await writer.close()
        },
      }
    },

    async openReader(part) {
      if (!(await objects.head(layout.marker(part)))) return undefined
      return openPartReader({ objects, layout }, part)
    },

    hasher: createHashers({ objects, layout, isBusy: () => writers > 0 }),

    async partSize(part) {
      const found = await objects.head(layout.marker(part))
      return found && Number(found.metadata['size'])
    },

    async listParts() {
      const parts: Part[] = []
      for await (const page of objects.folders(layout.parts))
        parts.push(...page.flatMap((folder) => partOf(folder.slice(layout.parts.length, -1)) ?? []))
      return parts
    },

    removePart,
    publish: composer.publish,
    openContent,

    async unpublish(part, name) {
      if (await composer.isOf(part, layout.file(name))) await objects.remove(layout.file(name))
    },

    removeContent: (name) => objects.remove(layout.file(name)),
    contentUrl,
    direct,
    location: (name) => `${url}files/${name}`,
    freeBytes: async () => Infinity,
    check: checkBucket,
    close: async () => clients.close(),
  }
}
