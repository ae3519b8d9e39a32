import { Readable } from 'node:stream'
import type { Context } from 'koa'
import parseRange from 'range-parser'
import { AppError } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'

/** A file that lies there, whole. */
export interface Stored {
  /** Bytes. */
  size: number
  /** Names the bytes and no others, in quotes. */
  etag: string
  /** Whether these have been the bytes of this URL from the beginning: else a range needs an If-Range that matches. */
  constant: boolean
  read(range: Range): AsyncIterable<Uint8Array>
}

/**
 * Answers with a file, or the one range of it that is asked for. Headers that describe it are set before.
 * @throws AppError `range-not-satisfiable`
 */
export function sendStored(ctx: Context, file: Stored): void {
  ctx.set('ETag', file.etag)
  ctx.set('Accept-Ranges', 'bytes')
  ctx.status = 200
  if (ctx.fresh) {
    ctx.status = 304
    return
  }
  const asked = askedRange(ctx, file)
  if (asked === 'unsatisfiable') {
    ctx.set('Content-Range', `bytes */${file.size}`)
    throw new AppError(
      'range-not-satisfiable',
      `The file has ${file.size} bytes; ${ctx.get('Range').slice(0, 100)} has none of them.`,
    )
  }
  const range = asked ?? { start: 0, end: file.size }
  if (asked) {
    ctx.status = 206
    ctx.set('Content-Range', `bytes ${range.start}-${range.end - 1}/${file.size}`)
  }
  ctx.body = Readable.from(file.read(range), { objectMode: false })
  ctx.length = range.end - range.start
}

/** The one range asked for, if it may be answered with 206 (RFC 9110 §13.1.5). */
function askedRange(ctx: Context, { size, etag, constant }: Stored): Range | 'unsatisfiable' | undefined {
  const condition = ctx.get('If-Range')
  const allowed = condition === '' ? constant : condition === etag
  if (ctx.get('Range') === '' || !allowed) return undefined
  const ranges = parseRange(size, ctx.get('Range'))
  if (ranges === -1) return 'unsatisfiable'
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return undefined
  const [range] = ranges
  return range && { start: range.start, end: range.end + 1 }
}

/** What is opened ends with the answer: a generator that was never started runs no `finally`. */
export function closeWith(ctx: Context, opened: { close(): Promise<void> }): void {
  const close = (): void => void opened.close().catch(() => undefined)
  if (ctx.res.closed) close()
  else ctx.res.once('close', close)
}
