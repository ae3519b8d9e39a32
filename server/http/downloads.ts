import { createHash } from 'node:crypto'
import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { z } from 'zod'
import {
  downloadRequestSchema,
  type Download,
  type DownloadList,
  type DownloadMap,
  type DownloadRequest,
} from '../../shared/operator.ts'
import { finalStatuses, statuses } from '../../shared/protocol.ts'
import type { DownloadRecord } from '../ports.ts'
import { mayClient, mayPath, nameOf, type Principal } from '../domain/access/principal.ts'
import type { RouteDeps } from './agents.ts'
import { about, type Subject } from './audit.ts'
import { callerGone } from './body.ts'
import { principalOf } from './gate.ts'
import { bodyOf, jsonBody, valid } from './json.ts'
import { fields, queries } from './parameters.ts'
import { checkPath, permittedPage } from './permitted.ts'
import { downloadIdOf, integerQuery, labelsQuery, preferredWait, query } from './request.ts'

/** The operator's calls about downloads; their content is in content.ts. */
export function downloadRoutes(router: Router, { domain, present }: RouteDeps): void {
  const { downloads } = domain

  router.post('/downloads', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, downloadRequestSchema)
    const key = valid(fields.idempotencyKey.optional(), ctx.get('Idempotency-Key') || undefined, 'Idempotency-Key')
    const principal = principalOf(ctx)
    about(ctx, ...toldIfRefused(request))
    checkPath(principal, request.path ?? null)
    const created = await downloads.create(request, {
      idempotencyKey: key === undefined ? undefined : ownKey(principal, key),
      may: (clientId) => mayClient(principal, clientId),
      askedBy: nameOf(principal),
    })
    about(ctx, ...created.map(({ clientId, path, id }) => ({ clientId, path, downloadId: id })))
    ctx.status = 202
    const [first] = created
    if (first?.batchId) {
      ctx.set('Location', `/downloads?batch=${first.batchId}`)
      ctx.body = present.batch(first.batchId, created)
    } else if (first) {
      ctx.set('Location', `/downloads/${first.id}`)
      ctx.body = present.download(first)
    }
  })

  router.get('/downloads', async (ctx) => {
    ctx.body = await list(ctx)
  })

  const list = async (ctx: Context): Promise<DownloadList> => {
    const limit = integerQuery(ctx, 'limit', queries.limit) ?? 100
    const status = query(ctx, 'status')
    const principal = principalOf(ctx)
    const filter = {
      clientId: valid(queries.client.optional(), query(ctx, 'client'), 'client'),
      status: status?.split(',').map((one) => valid(z.enum(statuses), one, 'status')),
      batchId: query(ctx, 'batch'),
      note: query(ctx, 'note'),
      labels: labelsQuery(ctx),
    }
    const cursor = integerQuery(ctx, 'cursor', queries.cursor)
    // The end of the list would tell how much there is of a client that is nobody's business.
    if (filter.clientId !== undefined && !mayClient(principal, filter.clientId)) {
      return { downloads: [], count: 0, next: null }
    }
    const may = ({ clientId, path }: DownloadRecord): boolean =>
      mayClient(principal, clientId) && mayPath(principal, path)
    const { page, next } = await permittedPage({
      list: (before, most) => domain.listDownloads({ ...filter, before, limit: most }),
      cursor,
      cursorOf: ({ seq }: DownloadRecord) => seq,
      limit,
      may,
    })
    return { downloads: page.map(present.download), count: page.length, next }
  }

  router.get('/downloads/:id', async (ctx) => {
    const id = downloadIdOf(ctx)
    const before = await downloads.find(id)
    const known = ctx.get('If-None-Match')
    const news = (now: DownloadRecord): boolean =>
      known === '' ? now.status !== before.status : etagOf(present.download(now)) !== known
    const ms = preferredWait(ctx)
    const wait = ms > 0 && !finalStatuses.includes(before.status)
    const download = wait ? await domain.waitForChange(id, news, { ms, signal: callerGone(ctx) }) : before
    const body = present.download(download)
    ctx.set('Cache-Control', 'no-store')
    ctx.set('ETag', etagOf(body))
    ctx.status = 200
    ctx.body = body
    if (ctx.fresh) ctx.status = 304
  })

  router.get('/downloads/:id/map', async (ctx) => {
    const download = await downloads.find(downloadIdOf(ctx))
    const { attempt, size } = download
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { attempt, size, ...(await domain.maps.of(download)) } satisfies DownloadMap
  })

  router.delete('/downloads/:id', async (ctx) => {
    ctx.body = present.download(await downloads.cancel(downloadIdOf(ctx)))
  })

  router.post('/downloads/:id/retry', jsonBody, async (ctx) => {
    const retried = await downloads.retry(downloadIdOf(ctx))
    ctx.set('Location', `/downloads/${retried.id}`)
    ctx.body = present.download(retried)
    ctx.status = 202
  })

  router.delete('/downloads/:id/content', async (ctx) => {
    ctx.body = present.download(await downloads.removeContent(downloadIdOf(ctx)))
  })
}

/** Rows of the audit that a call is worth which is refused: it can name thousands of clients that nobody has. */
const MOST_TOLD = 10

function toldIfRefused({ clientIds, clientId, path = null }: DownloadRequest): Subject[] {
  const named = clientIds === '*' ? [null] : (clientIds ?? [clientId ?? null])
  return named.slice(0, MOST_TOLD).map((id) => ({ clientId: id, path }))
}

/** Weak: it says that nothing shown has changed. */
function etagOf(body: Download): string {
  return `W/"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`
}

/** A key is its token's own: nobody is answered with what another asked for. */
function ownKey(principal: Principal, key: string): string {
  return principal.kind === 'operator' ? `${principal.id} ${key}` : key
}
