import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { readAssets } from '../web/assets.ts'
import { docsPage } from '../web/docs/index.ts'
import type { Html } from '../web/html.ts'
import { sent, type Sent } from '../web/sent.ts'
import type { ApiDocument } from './api-document.ts'
import { parameter } from './request.ts'

/** What pages of ours may do: show what is of this server. No script runs, and nobody frames them. */
const policy =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/** Pages for people, and what they are made with. */
export function pageRoutes(router: Router, { document }: { document: ApiDocument }): void {
  const assets = readAssets()
  // Made for the first who asks: most servers are never asked.
  let docs: Sent | undefined

  router.get('/docs', (ctx) => {
    docs ??= pageOf(docsPage(document))
    sendPage(ctx, docs)
  })

  router.get('/assets/:name', (ctx) => {
    const asset = assets.get(parameter(ctx, 'name'))
    if (asset) sendText(ctx, asset)
  })
}

export const pageOf = (page: Html): Sent => sent('text/html; charset=utf-8', page.text)

/** Answers with a page. */
export function sendPage(ctx: Context, page: Sent): void {
  ctx.set('Content-Security-Policy', policy)
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
