import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { readAssets } from '../web/assets.ts'
import { dashboardPage } from '../web/dashboard.ts'
import { docsPage } from '../web/docs/index.ts'
import type { Html } from '../web/html.ts'
import { readModules } from '../web/modules.ts'
import { sent, type Sent } from '../web/sent.ts'
import type { ApiDocument } from './api-document.ts'
import { parameter } from './request.ts'

/** What pages of ours may do: show what is of this server. No script runs, and nobody frames them. */
const policy =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
/** The dashboard runs what this server has, and calls it. */
const runningPolicy = `${policy}; script-src 'self'; connect-src 'self'`

/** Pages for people, and what they are made with. */
export function pageRoutes(router: Router, { document }: { document: ApiDocument }): void {
  const assets = readAssets()
  // Made for the first who asks: most servers are never asked.
  let docs: Sent | undefined
  let modules: Map<string, Sent> | undefined
  let dashboard: Sent | undefined

  router.get('/', (ctx) => {
    // Whoever wants no page finds nothing here.
    if (!ctx.accepts('html')) return
    modules ??= readModules()
    dashboard ??= pageOf(dashboardPage(modules.keys()))
    ctx.vary('Accept')
    sendPage(ctx, dashboard, runningPolicy)
  })

  router.get('/docs', (ctx) => {
    docs ??= pageOf(docsPage(document))
    sendPage(ctx, docs, policy)
  })

  router.get('/assets/*path', (ctx) => {
    const path = parameter(ctx, 'path')
    if (path.endsWith('.ts') || path.endsWith('.js')) modules ??= readModules()
    const asset = assets.get(path) ?? modules?.get(path)
    if (asset) sendText(ctx, asset)
  })
}

const pageOf = (page: Html): Sent => sent('text/html; charset=utf-8', page.text)

function sendPage(ctx: Context, page: Sent, may: string): void {
  ctx.set('Content-Security-Policy', may)
  sendText(ctx, page)
}

/** Kept by whoever has it, who asks each time whether it is still so: after an upgrade nothing old is shown. */
function sendText(ctx: Context, { type, text, etag }: Sent): void {
  ctx.set('Cache-Control', 'no-cache')
  ctx.set('ETag', etag)
  ctx.status = 200
  if (ctx.fresh) ctx.status = 304
  else ctx.body = text
  ctx.type = type
}
