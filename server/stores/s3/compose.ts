import { CopyObjectCommand } from '@aws-sdk/client-s3'
import { giveBack } from '../../../shared/batches.ts'
import { AppError } from '../../../shared/errors.ts'
import type { ByteStore, Part, PartRows } from '../../byte-ports.ts'
import type { Clients } from './client.ts'
import { isMissing } from './errors.ts'
import { partName, type Layout } from './layout.ts'
import type { Metadata, Objects } from './objects.ts'
import { createPlanner, type PlannedPart, type Stretch } from './plan.ts'
import { readInOrder, type Piece } from './reading.ts'
import { chunksInOrder } from './rows.ts'
import type { Spool, Spools } from './spool.ts'
import { copySource, type Upload, type Uploads } from './uploads.ts'

/** Parts made at once. */
const AT_ONCE = 4
/** Short chunks asked for while one goes through the server. */
const AHEAD = 4
const OWNER = 'backhaul-part'

export interface Composer {
  publish: ByteStore['publish']
  /** Whether a finished file was made of a part; undefined when there is none. */
  isOf(part: Part, key: string): Promise<boolean | undefined>
}

/** Makes finished files of chunks: within the store where they are long enough, through the server where they are not. */
export function createComposer(deps: {
  clients: Clients
  objects: Objects
  uploads: Uploads
  spools: Spools
  layout: Layout
}): Composer {
  const { clients, objects, uploads, spools, layout } = deps

  const isOf = async (part: Part, key: string): Promise<boolean | undefined> => {
    const found = await objects.head(key)
    return found && found.metadata[OWNER] === partName(part)
  }

  const objectOf = (part: Part, { chunk }: Stretch): string => layout.chunk(part, chunk.start, chunk.tag)
  const within = ({ start, end, chunk }: Stretch) => ({ start: start - chunk.start, end: end - chunk.start })

  /** Several stretches, as one body that can be sent. */
  const gather = async <T>(part: Part, planned: PlannedPart, send: (spool: Spool) => Promise<T>): Promise<T> => {
    const pieces = planned.stretches.map((one): Piece => ({ key: objectOf(part, one), range: within(one) }))
    const reading = new AbortController()
    const spool = await spools.open(planned.end - planned.start)
    try {
      for await (const bytes of readInOrder(objects, pieces, { ahead: AHEAD, signal: reading.signal })) {
        await spool.write([bytes])
        giveBack([bytes])
      }
      return await send(spool)
    } finally {
      reading.abort()
      await spool.close()
    }
  }

  /** What is missing is the upload, or a chunk: only that proves that bytes are lost. */
  const proven = async (part: Part, { stretches }: PlannedPart, error: unknown): Promise<unknown> => {
    for (const one of isMissing(error) ? stretches : []) {
      if (await objects.head(objectOf(part, one))) continue
      return new AppError('content-removed', `the chunk at ${one.chunk.start} is gone`, {}, { cause: error })
    }
    return error
  }

  const proving = async <T>(part: Part, planned: PlannedPart, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw await proven(part, planned, error)
    }
  }

  const putPart = (part: Part, upload: Upload, planned: PlannedPart): Promise<string> => {
    const [only, ...others] = planned.stretches
    if (only && others.length === 0) return upload.copy(planned.number, objectOf(part, only), within(only))
    return gather(part, planned, (spool) => upload.put(planned.number, spool))
  }

  /** A file of one part needs no upload in parts. */
  const putWhole = async (part: Part, key: string, planned: PlannedPart, metadata: Metadata): Promise<void> => {
    const [only, ...others] = planned.stretches
    if (!only || others.length > 0) return gather(part, planned, (spool) => objects.putSpool(key, spool, metadata))
    const copy = { CopySource: copySource(objects.bucket, objectOf(part, only)), MetadataDirective: 'REPLACE' } as const
    const object = { Bucket: objects.bucket, Key: key, Metadata: metadata, ContentType: 'application/octet-stream' }
    await objects.telling(clients.copies.send(new CopyObjectCommand({ ...object, ...copy })))
  }

  const putParts = async (part: Part, key: string, parts: AsyncGenerator<PlannedPart>, metadata: Metadata) => {
    const upload = await uploads.open(key, layout.upload(part), metadata)
    const etags: string[] = []
    await beside(AT_ONCE, parts, async (planned) => {
      const stored = upload.stored.get(planned.number)
      const there = stored?.size === planned.end - planned.start
      etags[planned.number - 1] = there
        ? stored.etag
        : await proving(part, planned, () => putPart(part, upload, planned))
    })
    await upload.complete(etags)
    // What others began for it, and did not note before they died.
    await uploads.abandonAll(key)
  }

  const compose = async (part: Part & { size: number }, key: string, rows: PartRows): Promise<void> => {
    const metadata = { [OWNER]: partName(part) }
    if (part.size === 0) return void (await objects.put(key, '', { metadata }))
    const parts = plan(part, rows)
    const { value: first } = await parts.next()
    if (first?.end === part.size) return proving(part, first, () => putWhole(part, key, first, metadata))
    await putParts(part, key, first ? before(first, parts) : parts, metadata)
  }

  return {
    isOf,

    async publish(part, name, rows) {
      const key = layout.file(name)
      const ours = await isOf(part, key)
      if (ours !== undefined) return ours
      try {
        await compose(part, key, rows)
      } catch (error) {
        // Another server was faster; its chunks, or its upload, are gone because of that.
        if (await isOf(part, key)) return true
        if (!isMissing(error)) throw error
        throw new AppError(
          'store-busy',
          `The parts of ${name} changed while they were put together.`,
          {},
          { cause: error },
        )
      }
      const size = (await objects.head(key))?.size
      if (size === part.size) return true
      throw new Error(`the object store made ${size ?? 'no'} bytes of ${part.size} for ${name}`)
    },
  }
}

async function* plan(part: Part & { size: number }, rows: PartRows): AsyncGenerator<PlannedPart> {
  const planner = createPlanner(part.size)
  let end = 0
  for await (const chunk of chunksInOrder(part, rows, 0)) {
    end = chunk.end
    yield* planner.add(chunk)
  }
  if (end !== part.size) throw new AppError('content-removed', `the rows of the part end at ${end}, not ${part.size}`)
  yield* planner.end()
}

async function* before<T>(first: T, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  yield first
  yield* rest
}

/** Works on so many items at once, taking them as they are needed; after a failure no more are begun. */
async function beside<T>(count: number, items: AsyncGenerator<T>, work: (item: T) => Promise<void>): Promise<void> {
  let failed = false
  const worker = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await items.next()
      if (done || failed) return
      try {
        await work(value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: count }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
