import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { z } from 'zod'
import { parseChunkDigest, parseDigest, type ChunkDigest } from '../../shared/digest.ts'
import { AppError } from '../../shared/errors.ts'
import {
  beginRequestSchema,
  completeRequestSchema,
  clientIdSchema,
  defaults,
  failRequestSchema,
  headers,
  sessionRequestSchema,
  type Begun,
  type JobState,
} from '../../shared/protocol.ts'
import { parseContentRange } from '../../shared/ranges.ts'
import type { Domain } from '../domain/index.ts'
import { callerGone } from './body.ts'
import { createIntake, type Intake } from './intake.ts'
import { bodyOf, jsonBody, valid } from './json.ts'
import type { Present } from './present.ts'
import { downloadIdOf, integerQuery, preferredWait, query, requiredHeader } from './request.ts'

export interface RouteDeps {
  domain: Domain
  present: Present
}

// Made once: zod takes its time to make them.
const attemptHeader = z.coerce.number().int().min(1)
const lengthHeader = z.coerce.number().int().min(0)

/** The agent's calls: sessions and jobs. */
export function agentRoutes(router: Router, { domain, present }: RouteDeps): void {
  const intake = createIntake()

  router.post('/sessions', jsonBody, async (ctx) => {
    ctx.body = await domain.sessions.begin(bodyOf(ctx, sessionRequestSchema))
    ctx.status = 201
  })

  router.get('/jobs', async (ctx) => {
    const clientId = valid(clientIdSchema, query(ctx, 'client'), 'client')
    const seen = integerQuery(ctx, 'seen', { min: 0, max: Number.MAX_SAFE_INTEGER })
    const session = ctx.get(headers.session) || undefined
    ctx.set('Cache-Control', 'no-store')
    // It has waited already: held-polls.ts.
    const news = await domain.polls.answer({ clientId, session, seen, waitMs: preferredWait(ctx) })
    // The answer can still find nobody there.
    callerGone(ctx).addEventListener('abort', () => domain.presence.lost(clientId), { once: true })
    ctx.set(headers.spread, String(domain.sessions.spread()))
    if (news) ctx.body = { rev: news.rev, jobs: news.jobs.map(present.job) }
    else ctx.status = 204
  })

  router.get('/jobs/:id', async (ctx) => {
    const download = await domain.downloads.find(downloadIdOf(ctx))
    const { id, status, attempt, size, reason } = download
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { id, status, attempt, size, reason, received: await domain.received(download) } satisfies JobState
  })

  router.get('/jobs/:id/chunks', async (ctx) => {
    const id = downloadIdOf(ctx)
    const attempt = valid(z.int(), integerQuery(ctx, 'attempt', { min: 1, max: Number.MAX_SAFE_INTEGER }), 'attempt')
    const from = integerQuery(ctx, 'from', { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0
    ctx.set('Cache-Control', 'no-store')
    ctx.body = await domain.uploads.list({ id, attempt }, from)
  })

  router.post('/jobs/:id/begin', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, beginRequestSchema)
    const { download, received } = await domain.attempts.begin(downloadIdOf(ctx), sessionOf(ctx), request)
    const { id, attempt, size } = download
    ctx.body = {
      id,
      attempt,
      size: size ?? 0,
      received,
      chunk: defaults.chunk,
      parallel: defaults.parallel,
      maxParallel: defaults.maxParallel,
      digests: [...defaults.digests],
      encodings: [],
    } satisfies Begun
  })

  router.put('/jobs/:id/file', async (ctx) => {
    checkEncodings(ctx)
    if (ctx.get(headers.contentRange) !== '') return putChunk(ctx, domain, intake)
    return putWhole(ctx, { domain, present }, intake)
  })

  router.post('/jobs/:id/complete', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, completeRequestSchema)
    const download = await domain.completion.complete(downloadIdOf(ctx), sessionOf(ctx), request, callerGone(ctx))
    if (download.status === 'verifying') askAgain(ctx)
    ctx.body = present.download(download)
  })

  router.post('/jobs/:id/fail', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, failRequestSchema)
    ctx.body = present.download(
      await domain.downloads.fail(downloadIdOf(ctx), ctx.get(headers.session) || undefined, request),
    )
  })
}

function sessionOf(ctx: Context): string {
  const session = ctx.get(headers.session)
  if (session === '')
    throw new AppError('session-required', `The header ${headers.session} is missing; POST /sessions gives one.`, {
      field: headers.session,
    })
  return session
}

/** Gateways decode Content-Encoding, and ranges would count encoded bytes. */
function checkEncodings(ctx: Context): void {
  for (const name of ['Content-Encoding', 'Chunk-Encoding']) {
    if (ctx.get(name) === '' || ctx.get(name) === 'identity') continue
    throw new AppError(
      'unsupported-media-type',
      `${name}: ${ctx.get(name).slice(0, 50)} is not taken here; send the bytes as they are.`,
      { field: name },
    )
  }
}

async function putChunk(ctx: Context, domain: Domain, intake: Intake): Promise<void> {
  const id = downloadIdOf(ctx)
  const session = sessionOf(ctx)
  const attempt = valid(attemptHeader, requiredHeader(ctx, headers.attempt), headers.attempt)
  const range = parseContentRange(ctx.get(headers.contentRange))
  const digest = chunkDigestOf(ctx)
  const length = ctx.get('Content-Length')
  if (length !== '' && Number(length) !== range.end - range.start) {
    throw new AppError(
      'range-invalid',
      `Content-Length is ${length}; the Content-Range has ${range.end - range.start} bytes.`,
      { field: 'Content-Length' },
    )
  }
  const signal = callerGone(ctx)
  await domain.uploads.put({ id, session, attempt, range, digest, signal, body: (stop) => intake.read(ctx.req, stop) })
  ctx.status = 204
}

/** Chunk-Digest is of the decoded bytes; without it Content-Digest, which is of the same ones where nothing is encoded. */
function chunkDigestOf(ctx: Context): ChunkDigest {
  const own = ctx.get(headers.chunkDigest)
  if (own !== '') return parseChunkDigest(own, headers.chunkDigest)
  return parseDigest(requiredHeader(ctx, headers.contentDigest), headers.contentDigest)
}

async function putWhole(ctx: Context, { domain, present }: RouteDeps, intake: Intake): Promise<void> {
  const ours = [headers.session, headers.attempt, headers.contentDigest, headers.chunkDigest].find(
    (name) => ctx.get(name) !== '',
  )
  if (ours) {
    throw new AppError('range-invalid', `Content-Range is missing beside ${ours}; a proxy may have removed it.`, {
      field: headers.contentRange,
    })
  }
  const id = downloadIdOf(ctx)
  const length = ctx.get('Content-Length')
  if (length === '')
    throw new AppError(
      'length-required',
      'A whole file needs a Content-Length (curl -T FILE sends one, a pipe does not).',
    )
  const digest = ctx.get(headers.reprDigest)
  const download = await domain.whole.put({
    id,
    size: valid(lengthHeader, length, 'Content-Length'),
    sha256: digest === '' ? undefined : parseDigest(digest, headers.reprDigest),
    signal: callerGone(ctx),
    body: (stop) => intake.read(ctx.req, stop),
  })
  if (download.status === 'verifying') askAgain(ctx)
  ctx.body = present.download(download)
}

function askAgain(ctx: Context): void {
  ctx.status = 202
  ctx.set('Retry-After', '1')
}
