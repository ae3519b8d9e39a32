import type { Router } from '@koa/router'
import { AppError } from '../../shared/errors.ts'
import { directCommitSchema, directRequestSchema, type Direct as DirectAnswer } from '../../shared/protocol.ts'
import type { Direct } from '../domain/direct.ts'
import type { RouteDeps } from './agents.ts'
import { callerGone } from './body.ts'
import { bodyOf, jsonBody } from './json.ts'
import { answerDownload } from './present.ts'
import { downloadIdOf, sessionOf } from './request.ts'

/** Chunks that agents put into the store themselves: where to, and that it is done. */
export function directRoutes(router: Router, { domain, present }: RouteDeps): void {
  router.post('/jobs/:id/chunks', jsonBody, async (ctx) => {
    const direct = known(domain.direct)
    const { attempt, start, end, digest, md5 } = bodyOf(ctx, directRequestSchema)
    const chunk = { id: downloadIdOf(ctx), session: sessionOf(ctx), attempt, range: { start, end }, digest, md5 }
    const offered = await direct.offer(chunk)
    // Who has the URL needs no right.
    ctx.set('Cache-Control', 'no-store')
    ctx.status = offered ? 200 : 204
    if (offered) ctx.body = { ...offered, expires: new Date(offered.expires).toISOString() } satisfies DirectAnswer
  })

  router.post('/jobs/:id/chunks/commit', jsonBody, async (ctx) => {
    const direct = known(domain.direct)
    const { attempt, start, end, digest, tag, sha256 } = bodyOf(ctx, directCommitSchema)
    const landed = { attempt, range: { start, end }, digest, tag, sha256 }
    const download = await direct.commit({
      ...landed,
      id: downloadIdOf(ctx),
      session: sessionOf(ctx),
      signal: callerGone(ctx),
    })
    if (download) answerDownload(ctx, present, download)
    else ctx.status = 204
  })
}

/** @throws AppError `route-unknown`, as a server answers that knows nothing of it */
function known(direct: Direct | undefined): Direct {
  if (direct) return direct
  throw new AppError(
    'route-unknown',
    'This server takes chunks by PUT /jobs/ID/file only; DIRECT_UPLOADS is off, or cannot be used by now.',
  )
}
