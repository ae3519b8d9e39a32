import { Readable } from 'node:stream'
import type { Router } from '@koa/router'
import { create as contentDisposition } from 'content-disposition'
import type { Context } from 'koa'
import parseRange from 'range-parser'
import { formatDigest } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import { headers } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import { pause } from '../../shared/wait.ts'
import { checkUsable, type Opened } from '../domain/content.ts'
import type { Domain } from '../domain/index.ts'
import { safeName } from '../domain/names.ts'
import type { DownloadRecord } from '../ports.ts'
import type { RouteDeps } from './agents.ts'
import { callerGone } from './body.ts'
import { downloadIdOf, preferredWait } from './request.ts'

/** How long a caller waits for a transfer to begin unless it says otherwise, in ms. */
export const BEGIN_WITHIN = 25_000

export function contentRoutes(router: Router, { domain }: RouteDeps): void {
  router.get('/downloads/:id/content', async (ctx) => {
    const id = downloadIdOf(ctx)
    if (ctx.method === 'HEAD') return describe(ctx, await domain.downloads.find(id))
    await sendContent(ctx, domain, id, { beginMs: preferredWait(ctx) || BEGIN_WITHIN })
  })
}

export interface SendOptions {
  /** How long to wait for the transfer to begin, in ms. */
  beginMs: number
  /** Do not wait for a client that is offline. */
  onlineOnly?: boolean
  /** How long to wait for the first byte, in ms; for ever without it. */
  firstByteMs?: number
}

/**
 * Answers with a download's bytes: while they arrive as they become durable, afterwards with ranges.
 * @throws AppError before the first byte; after it, a failure breaks the connection
 */
export async function sendContent(ctx: Context, domain: Domain, id: string, options: SendOptions): Promise<void> {
  const signal = callerGone(ctx)
  const { beginMs, onlineOnly } = options
  const opened = await domain.contents.open(id, { beginMs, onlineOnly, signal })
  closeWith(ctx, opened)
  ctx.req.socket.setNoDelay(true)
  if (opened.kind === 'stored') sendStored(ctx, opened)
  else await sendArriving(ctx, domain, opened, options.firstByteMs)
}

/** The headers alone, for HEAD. */
export function describe(ctx: Context, download: DownloadRecord): void {
  checkUsable(download)
  setHeaders(ctx, download)
  ctx.status = 200
  if (download.size !== null) ctx.length = download.size
}

/** HEAD of a client's file: it never queues. @throws AppError `download-unknown` when nobody has asked for the path */
export async function describeExisting(
  ctx: Context,
  domain: Domain,
  clientId: string,
  path: string | null,
): Promise<void> {
  const existing = await domain.contents.existing(clientId, path)
  if (existing) return describe(ctx, existing)
  throw new AppError('download-unknown', `Nothing of ${clientId} was asked for under this path; GET asks for it.`)
}

async function sendArriving(
  ctx: Context,
  domain: Domain,
  { download, bytes }: Extract<Opened, { kind: 'arriving' }>,
  firstByteMs?: number,
): Promise<void> {
  // The first piece decides: until then a failure still has a status of its own.
  const first = await firstPiece(bytes, firstByteMs).catch(async (error: unknown) => {
    if (isAppError(error, 'content-broken')) checkUsable(await domain.downloads.find(download.id))
    throw error
  })
  const now = await domain.downloads.find(download.id)
  // The ETag names the attempt that the bytes are of, never a newer one.
  if (now.attempt !== download.attempt) {
    throw new AppError('content-broken', `A new attempt of ${download.id} has begun; ask again.`)
  }
  if (first.done && now.status !== 'completed') {
    throw new AppError('content-broken', `The transfer of ${download.id} ended before it was whole.`)
  }
  setHeaders(ctx, now)
  ctx.status = 200
  ctx.body = Readable.from(resume(first, bytes), { objectMode: false })
  ctx.length = download.size ?? 0
}

async function firstPiece(
  bytes: AsyncGenerator<Uint8Array>,
  ms: number | undefined,
): Promise<IteratorResult<Uint8Array>> {
  const first = bytes.next()
  if (ms === undefined) return first
  const timer = new AbortController()
  const late = pause(ms, timer.signal).then(() => undefined)
  const result = await Promise.race([first, late])
  timer.abort()
  if (result) return result
  void first.then(() => bytes.return(undefined)).catch(() => undefined)
  throw new AppError('begin-timeout', 'No byte came in time.')
}

async function* resume(
  first: IteratorResult<Uint8Array>,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (!first.done) yield first.value
  yield* rest
}

/** A generator that was never started runs no `finally`: what is open ends with the answer. */
function closeWith(ctx: Context, opened: Opened): void {
  const close = (): void => void opened.close().catch(() => undefined)
  if (ctx.res.closed) close()
  else ctx.res.once('close', close)
}

function sendStored(ctx: Context, { download, content }: Extract<Opened, { kind: 'stored' }>): void {
  setHeaders(ctx, download)
  ctx.status = 200
  if (ctx.fresh) {
    ctx.status = 304
    return
  }
  const asked = askedRange(ctx, download, content.size)
  if (asked === 'unsatisfiable') {
    ctx.set('Content-Range', `bytes */${content.size}`)
    throw new AppError(
      'range-not-satisfiable',
      `The file has ${content.size} bytes; ${ctx.get('Range').slice(0, 100)} has none of them.`,
    )
  }
  const range = asked ?? { start: 0, end: content.size }
  if (asked) {
    ctx.status = 206
    ctx.set('Content-Range', `bytes ${range.start}-${range.end - 1}/${content.size}`)
  }
  ctx.body = Readable.from(content.read(range), { objectMode: false })
  ctx.length = range.end - range.start
}

/**
 * The one range asked for, if it may be answered with 206. Without an If-Range that matches (RFC 9110 §13.1.5) only where
 * the first attempt completed: no other bytes can have been handed out before.
 */
function askedRange(ctx: Context, download: DownloadRecord, size: number): Range | 'unsatisfiable' | undefined {
  const condition = ctx.get('If-Range')
  const allowed = condition === '' ? download.attempt === 1 : condition === etagOf(download)
  if (ctx.get('Range') === '' || !allowed) return undefined
  const ranges = parseRange(size, ctx.get('Range'))
  if (ranges === -1) return 'unsatisfiable'
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return undefined
  const [range] = ranges
  return range && { start: range.start, end: range.end + 1 }
}

function setHeaders(ctx: Context, download: DownloadRecord): void {
  ctx.set('ETag', etagOf(download))
  ctx.set('Cache-Control', 'private, no-transform')
  ctx.set('Content-Disposition', contentDisposition(safeName(download.sourcePath ?? download.path ?? 'file')))
  ctx.set('X-Content-Type-Options', 'nosniff')
  ctx.type = 'application/octet-stream'
  if (download.sourceModified !== null) ctx.lastModified = new Date(download.sourceModified)
  if (download.status !== 'completed') return
  ctx.set('Accept-Ranges', 'bytes')
  if (download.sha256 !== null) ctx.set(headers.reprDigest, formatDigest(download.sha256))
}

function etagOf(download: DownloadRecord): string {
  return `"${download.id}.${download.attempt}"`
}
