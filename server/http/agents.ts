import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { ProofParts } from '../../shared/proof-text.ts'
import type { Access } from '../domain/access/index.ts'
import { mayClient, type Principal } from '../domain/access/principal.ts'
import { unknownClient } from '../domain/guards.ts'
import { principalOf } from './gate.ts'
import { wasQuiet } from './held-polls.ts'
import {
  beginRequestSchema,
  completeRequestSchema,
  defaults,
  failRequestSchema,
  headers,
  type jobsSchema,
  sessionRequestSchema,
  type Begun,
  type JobState,
  type Session,
  type SessionRequest,
} from '../../shared/protocol.ts'
import type { Domain } from '../domain/index.ts'
import type { News } from '../domain/polls.ts'
import { callerGone } from './body.ts'
import { bodyOf, jsonBody, valid } from './json.ts'
import { queries } from './parameters.ts'
import { answerDownload, type Present } from './present.ts'
import { downloadIdOf, integerQuery, preferredWait, query, sessionOf } from './request.ts'

export interface RouteDeps {
  domain: Domain
  present: Present
}

/** The agent's calls: sessions and jobs. */
export function agentRoutes(router: Router, { domain, access, present }: RouteDeps & { access: Access }): void {
  router.post('/sessions', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, sessionRequestSchema)
    const principal = principalOf(ctx)
    checkProof(principal, request)
    const labels = principal.kind === 'agent' ? await access.credentials.labelsOf(principal.credentialId) : {}
    const begun = await domain.sessions.begin({ ...request, labels: { ...request.labels, ...labels } })
    const { clientId } = request
    const token =
      principal.kind === 'agent' && principal.by === 'proof'
        ? await access.credentials.issue({ clientId, session: begun.session, credentialId: principal.credentialId })
        : undefined
    ctx.set('Cache-Control', 'no-store')
    ctx.status = 201
    ctx.body = { ...begun, ...(token === undefined ? {} : { token }) } satisfies Session
  })

  router.get('/jobs', async (ctx) => {
    const clientId = valid(queries.client, query(ctx, 'client'), 'client')
    if (!mayClient(principalOf(ctx), clientId)) throw unknownClient(clientId)
    const seen = integerQuery(ctx, 'seen', queries.seen)
    const session = ctx.get(headers.session) || undefined
    ctx.set('Cache-Control', 'no-store')
    // It has waited already: held-polls.ts.
    const poll = { clientId, session, seen, waitMs: preferredWait(ctx), quiet: wasQuiet(ctx.req) }
    const news = await domain.polls.answer(poll)
    // The answer can still find nobody there.
    const gone = callerGone(ctx)
    const lost = (): void => domain.presence.lost(clientId)
    if (gone.aborted) lost()
    else gone.addEventListener('abort', lost, { once: true })
    ctx.set(headers.spread, String(domain.sessions.spread()))
    const renewed = await renewedToken(ctx, access)
    if (renewed !== undefined) ctx.set(headers.sessionToken, renewed)
    if (news) ctx.body = listOf(news, present)
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
    const attempt = valid(z.int(), integerQuery(ctx, 'attempt', queries.attempt), 'attempt')
    const from = integerQuery(ctx, 'from', queries.from) ?? 0
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
      direct: domain.direct !== undefined,
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

function listOf({ rev, jobs, update }: News, present: Present): z.infer<typeof jobsSchema> {
  return { rev, jobs: jobs.map(present.job), ...(update ? { update } : {}) }
}

/** A session is begun by a proof that was made for it, or with a bearer token of the client. */
function checkProof(principal: Principal, { clientId, instance }: SessionRequest): void {
  if (principal.kind !== 'agent') return
  const fits = principal.by === 'bearer' || (principal.by === 'proof' && provesSession(principal, instance))
  if (principal.clientId === clientId && fits) return
  throw new AppError('not-permitted', `This is no proof for a session of ${clientId}.`)
}

const provesSession = ({ purpose, subject }: Pick<ProofParts, 'purpose' | 'subject'>, instance: string): boolean =>
  purpose === 'session' && subject === instance

async function renewedToken(ctx: Context, { credentials }: Access): Promise<string | undefined> {
  const principal = principalOf(ctx)
  if (principal.kind !== 'agent' || principal.by !== 'session') return undefined
  return credentials.renew(ctx.get('Authorization').replace(/^\S+ +/, ''))
}
