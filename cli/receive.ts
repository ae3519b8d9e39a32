import pRetry, { AbortError } from 'p-retry'
import { parseDigest, sha256, type Sha256 } from '../shared/digest.ts'
import { CliError, isPassing } from './errors.ts'
import type { ContentStream } from './http.ts'
import { retrying, usualPatience, type Patience } from './waiting.ts'

/** Where received bytes go, in order. */
export interface Sink {
  write(chunk: Buffer): Promise<void>
  /** Forgets all that was written. Throws when that is not possible. */
  startAnew(): Promise<void>
}

export interface ReceiveOptions {
  /** Asks for the content; `headers` hold the range that is missing. `again` is true after a connection broke. */
  open: (headers: Record<string, string>, again: boolean) => Promise<ContentStream>
  sink: Sink
  signal: AbortSignal
  /** Both in bytes; `size` is undefined when the server did not say. */
  onProgress?: (received: number, size: number | undefined) => void
  patience?: Patience
}

export interface Received {
  size: number
  sha256: Sha256
  /** What the server says the SHA-256 is, if its headers said so. */
  promised: Sha256 | undefined
}

/**
 * Receives a content into `sink`. A broken connection is taken up where it broke, if the server proves by its strong ETag that
 * the bytes are the same ones; otherwise everything begins anew.
 * @throws CliError `connection-broken` when it breaks again and again without a byte in between, or what `open` and `sink` throw
 */
export async function receive(options: ReceiveOptions): Promise<Received> {
  const { open, sink, signal, onProgress, patience = usualPatience } = options
  let hash = sha256()
  let at = 0
  let etag: string | undefined
  let promised: Sha256 | undefined
  let farthest = 0
  let moved = false

  /** Makes what was received fit the answer, and says how many bytes of the answer are here already. */
  async function agree({ status, headers }: ContentStream): Promise<number> {
    const same = etag !== undefined && headers.etag === etag
    if (status === 206 && same && startOf(headers['content-range']) === at) return 0
    if (status === 206) throw new CliError('connection-broken', 'The server sent another range than the one asked for.')
    if (same) return at
    if (at > 0) await sink.startAnew()
    hash = sha256()
    at = 0
    etag = strong(headers.etag)
    const digest = headers['repr-digest']
    promised = typeof digest === 'string' ? parseDigest(digest, 'Repr-Digest') : undefined
    return 0
  }

  async function once(attempt: number): Promise<Received> {
    moved = false
    const headers: Record<string, string> = at > 0 && etag ? { range: `bytes=${at}-`, 'if-range': etag } : {}
    const content = await open(headers, attempt > 1)
    try {
      let toSkip = await agree(content)
      const size = sizeOf(content)
      for await (const chunk of content.chunks) {
        const fresh = chunk.subarray(Math.min(toSkip, chunk.length))
        toSkip -= chunk.length - fresh.length
        if (fresh.length === 0) continue
        await sink.write(fresh)
        hash.update(fresh)
        at += fresh.length
        moved ||= at > farthest
        farthest = Math.max(farthest, at)
        onProgress?.(at, size)
      }
      checkLength(at, size)
      return { size: at, sha256: hash.digest('hex'), promised }
    } finally {
      content.close()
    }
  }

  const retry = {
    ...retrying(patience, signal),
    // A try that came farther than all before it is not counted: a bad line that moves is not given up.
    shouldConsumeRetry: () => !moved,
  }
  return pRetry((attempt) => once(attempt).catch((error: unknown) => Promise.reject(final(error))), retry)
}

/** Errors of another realm or of the stream's own would be wrapped or retried by p-retry; they end it instead. */
function final(error: unknown): Error {
  const known = error instanceof Error ? error : new Error(String(error), { cause: error })
  return isPassing(known) ? known : new AbortError(known)
}

function checkLength(received: number, size: number | undefined): void {
  if (size === undefined || received === size) return
  throw new CliError('connection-broken', `The connection broke after ${received} of ${size} bytes.`)
}

function strong(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? etag : undefined
}

function startOf(contentRange: string | undefined): number | undefined {
  const match = /^bytes (\d+)-/.exec(contentRange ?? '')
  return match ? Number(match[1]) : undefined
}

/** The size of the whole content in bytes, whichever part of it the answer holds. */
function sizeOf({ status, headers }: ContentStream): number | undefined {
  const text = status === 206 ? /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] : headers['content-length']
  return text === undefined ? undefined : Number(text)
}
