import type { ChunkVerdict } from './answers.ts'
import type { Answer } from './http.ts'

/** What to do after a store's answer to a chunk. */
export type StoreVerdict =
  | { act: 'landed' }
  | Extract<ChunkVerdict, { act: 'damaged' | 'cut' }>
  /** `passing`: it is the store that answers, and will take chunks again. */
  | { act: 'failed'; passing: boolean; why: string; afterMs: number | undefined }

/** How object stores call a body that is not the one that was announced. */
const damagedCodes = ['BadDigest', 'InvalidDigest', 'IncompleteBody', 'XAmzContentSHA256Mismatch']
const busyCodes = ['RequestTimeout', 'SlowDown', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded']

/** An object store answers in XML, with a `Code` of its own: whatever else answers stands on the way to it. */
export function judgeStore({ status, bytes, retryAfterMs }: Answer): StoreVerdict {
  // A URL takes one body: something on the way has sent ours twice.
  if ((status >= 200 && status < 300) || status === 412) return { act: 'landed' }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 4096)).toString()
  const code = /<Code>([A-Za-z0-9]{1,60})<\/Code>/.exec(text)?.[1]
  if (code !== undefined && damagedCodes.includes(code)) return { act: 'damaged' }
  if (status === 413 || code === 'EntityTooLarge') return { act: 'cut', allowed: undefined }
  const passing = code !== undefined && (status >= 500 || status === 429 || busyCodes.includes(code))
  const why = code === undefined ? `HTTP ${status} from something on the way to the store` : `${code} from the store`
  return { act: 'failed', passing, why, afterMs: retryAfterMs }
}

/** What a store may want to be told; nothing that says who we are, and what follows from the body is told anyway. */
const wanted = /^(content-(md5|type)|if-none-match|x-amz-[a-z0-9-]+)$/i

/** The headers of a server's offer that are sent. */
export function ofOffered(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => wanted.test(name)))
}
