import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { DirectChunks, Part } from '../../byte-ports.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'
import { copySource } from './uploads.ts'

/** How long a URL that is tried is good, in s, and how long an answer may take, in ms. */
const GOOD_FOR = 60
const PATIENCE = 5_000

interface Tried {
  /** HTTP status; undefined without an answer. */
  status: number | undefined
  /** What the object holds then, if it is there. */
  text: string | undefined
  origin: string
}

/**
 * Puts two small objects as a site would, the second with a header that nobody signed and that asks for a copy of another
 * object. Amazon S3 refuses it; stores that do not would let a site read what is others'.
 * @throws Error that says what to do
 */
export async function checkUrls({
  presignChunk,
  objects,
  layout,
}: Pick<DirectChunks, 'presignChunk'> & { objects: Objects; layout: Layout }): Promise<void> {
  // What a crash leaves is swept: there is no such download.
  const part: Part = { id: randomUUID(), attempt: 0 }
  const body = randomBytes(16).toString('hex')
  const md5 = createHash('md5').update(body).digest('base64')

  const put = async (unsigned: Record<string, string>): Promise<Tried> => {
    const { url, headers, tag } = await presignChunk({ part, start: 0, length: body.length, md5, seconds: GOOD_FOR })
    const key = layout.chunk(part, 0, tag)
    try {
      const status = await send(url, { ...headers, ...unsigned }, body)
      return { status, text: await objects.text(key), origin: new URL(url).origin }
    } finally {
      await objects.remove(key)
    }
  }

  const plain = await put({})
  if (plain.text !== body) throw notTried(plain)
  const copy = await put({ 'x-amz-copy-source': copySource(objects.bucket, layout.owner) })
  // Refused, or taken without the header: something on the way may leave it out.
  if (copy.text === body || (copy.text === undefined && isRefusal(copy.status))) return
  if (copy.text === undefined) throw notTried(copy)
  throw new Error(
    `the object store at ${copy.origin} heeds headers that nobody signed: a site that may send it a chunk could read any ` +
      'file in it; let a proxy refuse x-amz-copy-source, and name that in S3_PUBLIC_ENDPOINT',
  )
}

const isRefusal = (status = 0): boolean => status >= 400 && status < 500

const notTried = ({ status, origin }: Tried): Error =>
  new Error(
    `nothing can be sent to ${origin} from here to try it (${status === undefined ? 'no answer' : `HTTP ${status}`})`,
  )

/** @returns the status of the answer, if there is one; errors could tell the URL */
async function send(url: string, headers: Record<string, string>, body: string): Promise<number | undefined> {
  try {
    const answer = await fetch(url, {
      method: 'PUT',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE),
    })
    await answer.body?.cancel()
    return answer.status
  } catch {
    return undefined
  }
}
