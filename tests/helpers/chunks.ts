import { formatDigest } from '../../shared/digest.ts'
import { sha256Of } from './folder.ts'
import type { Json, Stack } from './stack.ts'

export interface ChunkOptions {
  session: string
  attempt: number
  start: number
  bytes: Uint8Array<ArrayBuffer>
  total: number
  /** Announces another digest than that of the bytes. */
  digest?: string
  headers?: Record<string, string>
}

/** Sends one chunk by hand. */
export async function putChunk(
  stack: Stack,
  id: string,
  options: ChunkOptions,
): Promise<{ status: number; body: Json | undefined; headers: Headers }> {
  const { session, attempt, start, bytes, total, digest = sha256Of(bytes) } = options
  const response = await fetch(`${stack.url}/jobs/${id}/file`, {
    method: 'PUT',
    headers: {
      'content-range': `bytes ${start}-${start + bytes.byteLength - 1}/${total}`,
      'content-digest': formatDigest(digest),
      'agent-session': session,
      attempt: String(attempt),
      ...options.headers,
    },
    body: bytes,
  })
  const text = await response.text()
  return {
    status: response.status,
    body: text === '' ? undefined : (JSON.parse(text) as Json),
    headers: response.headers,
  }
}
