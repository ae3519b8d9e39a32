import type { Router } from '@koa/router'
import { z } from 'zod'
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
import type { Domain } from '../domain/index.ts'
import { callerGone } from './body.ts'
import { bodyOf, jsonBody, valid } from './json.ts'
import { answerDownload, type Present } from './present.ts'
import { downloadIdOf, integerQuery, preferredWait, query, sessionOf } from './request.ts'

export interface RouteDeps {
  domain: Domain
  present: Present
}

/** The agent's calls: sessions and jobs. */
export function agentRoutes(router: Router, { domain, present }: RouteDeps): void {
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
    const gone = callerGone(ctx)
    const lost = (): void => domain.presence.lost(clientId)
    if (gone.aborted) lost()
    else gone.addEventListener('abort', lost, { once: true })
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
      encodings: [...defaults.encodings],
    } satisfies Begun
  })

  router.post('/jobs/:id/complete', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, completeRequestSchema)
    const download = await domain.completion.complete(downloadIdOf(ctx), sessionOf(ctx), request, callerGone(ctx))
    answerDownload(ctx, present, download)
  })

  router.post('/jobs/:id/fail', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, failRequestSchema)
    ctx.body = present.download(
      await domain.downloads.fail(downloadIdOf(ctx), ctx.get(headers.session) || undefined, request),
    )
  })
}
