import { createHash } from 'node:crypto'

/** What somebody got who read a download while it arrived. */
export interface ReadResult {
  status: number
  /** Whether the answer ended as it should, and not broken off. */
  whole: boolean
  bytes: number
  /** Of the bytes that came, in hex. */
  sha256: string
  /** Names the attempt. */
  etag: string | null
  /** Of a refusal. */
  code: string | undefined
}

/** Reads the content of a download once. @returns undefined when the server could not be reached */
export async function readAlong(url: string, id: string, signal: AbortSignal): Promise<ReadResult | undefined> {
  const hash = createHash('sha256')
  let bytes = 0
  const response = await fetch(`${url}/downloads/${id}/content`, { headers: { prefer: 'wait=60' }, signal }).catch(
    () => undefined,
  )
  if (!response) return undefined
  const end = (whole: boolean, code?: string): ReadResult => ({
    status: response.status,
    whole,
    bytes,
    sha256: hash.digest('hex'),
    etag: response.headers.get('etag'),
    code,
  })
  try {
    if (response.status !== 200) return end(true, String(((await response.json()) as { code?: unknown }).code))
    for await (const piece of response.body ?? []) {
      bytes += piece.byteLength
      hash.update(piece)
    }
    return end(true)
  } catch {
    return end(false)
  }
}
