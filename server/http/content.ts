import { Readable } from 'node:stream'
import type { Router } from '@koa/router'
import { create as contentDisposition } from 'content-disposition'
import type { Context } from 'koa'
import { formatDigest } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import { headers } from '../../shared/protocol.ts'
import { pause } from '../../shared/wait.ts'
import { checkUsable, pathOf, type Opened } from '../domain/content.ts'
import type { Domain } from '../domain/index.ts'
import { safeName } from '../domain/names.ts'
import type { DownloadRecord } from '../ports.ts'
import type { RouteDeps } from './agents.ts'
import { callerGone } from './body.ts'
import { valid } from './json.ts'
import { queries } from './parameters.ts'
import { downloadIdOf, preferredWait, query } from './request.ts'
import { closeWith, sendStored } from './stored.ts'

/** How long a caller waits for a transfer to begin unless it says otherwise, in ms. */
export const BEGIN_WITHIN = 25_000

export function contentRoutes(router: Router, { domain }: RouteDeps): void {
  router.get('/downloads/:id/content', async (ctx) => {
    const id = downloadIdOf(ctx)
    if (ctx.method === 'HEAD') return describe(ctx, await domain.downloads.find(id))
    if (redirectWanted(ctx) && (await redirected(ctx, domain, id))) return
    await sendContent(ctx, domain, id, { beginMs: preferredWait(ctx) || BEGIN_WITHIN })
  })
}

/** How long a URL of the store is good, in s: whoever is sent there goes at once. */
const REDIRECT_FOR = 5 * 60

const redirectWanted = (ctx: Context): boolean =>
  valid(queries.redirect.optional(), query(ctx, 'redirect'), 'redirect') === 'true'

/** Sends the caller to the store, if it hands out the file itself by now. @returns whether that was the answer */
async function redirected(ctx: Context, { contents }: Domain, id: string): Promise<boolean> {
  const url = await contents.urlOf(id, (path) => ({ filename: safeName(path), seconds: REDIRECT_FOR }))
  if (url === undefined) return false
  ctx.body = ''
  ctx.status = 307
  ctx.set('Location', url)
  // Who has the URL needs no right.
  ctx.set('Cache-Control', 'no-store')
  return true
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
  if (opened.kind === 'stored') sendWhole(ctx, opened)
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

/** No other bytes can have been handed out before where the first attempt completed. */
function sendWhole(ctx: Context, { download, content }: Extract<Opened, { kind: 'stored' }>): void {
  setHeaders(ctx, download)
  const { size, read } = content
  sendStored(ctx, { size, read, etag: etagOf(download), constant: download.attempt === 1 })
}

function setHeaders(ctx: Context, download: DownloadRecord): void {
  ctx.set('ETag', etagOf(download))
  ctx.set('Cache-Control', 'private, no-transform')
  ctx.set('Content-Disposition', contentDisposition(safeName(pathOf(download))))
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
