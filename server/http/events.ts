import { Readable } from 'node:stream'
import type { Router } from '@koa/router'
import type { Context } from 'koa'
import type { EventList } from '../../shared/events.ts'
import { mayClient, mayPath } from '../domain/access/principal.ts'
import type { Told } from '../domain/events.ts'
import type { Domain } from '../domain/index.ts'
import type { EventRecord } from '../event-ports.ts'
import { callerGone } from './body.ts'
import { principalOf } from './gate.ts'
import { valid } from './json.ts'
import { queries } from './parameters.ts'
import { presentEvent } from './present-event.ts'
import { downloadIdOf, integerQuery, query } from './request.ts'

/** In ms: who takes nothing for so long has gone without a word. It is told something every 15 s. */
const GONE_AFTER = 60_000
/** In ms: when a listener that was cut off comes again. */
const RETRY = 2_000

/** What happens, as it happens, and what has happened to one download. */
export function eventRoutes(router: Router, { domain }: { domain: Domain }): void {
  router.get('/events', async (ctx) => {
    const wants = wanted(ctx)
    const since = valid(queries.since.optional(), ctx.get('Last-Event-ID') || query(ctx, 'since'), 'since')
    ctx.set('Cache-Control', 'no-store')
    // Else nginx keeps it until there is more of it.
    ctx.set('X-Accel-Buffering', 'no')
    ctx.status = 200
    ctx.type = 'text/event-stream'
    if (ctx.method === 'HEAD') ctx.body = ''
    else {
      const told = await domain.events.listen({ since, wants, signal: callerGone(ctx) })
      ctx.res.setTimeout(GONE_AFTER)
      ctx.body = Readable.from(streamOf(told), { objectMode: false })
    }
  })

  router.get('/downloads/:id/events', async (ctx) => {
    const limit = integerQuery(ctx, 'limit', queries.limit) ?? 100
    const after = integerQuery(ctx, 'cursor', queries.cursor) ?? 0
    const found = await domain.events.ofDownload(downloadIdOf(ctx), { after, limit: limit + 1 })
    const page = found.slice(0, limit)
    ctx.set('Cache-Control', 'no-store')
    ctx.body = {
      events: page.map(presentEvent),
      next: found.length > limit ? String(page.at(-1)?.seq) : null,
    } satisfies EventList
  })
}

/** What the caller asks for, of what it may see. */
function wanted(ctx: Context): (event: EventRecord) => boolean {
  const principal = principalOf(ctx)
  const client = valid(queries.client.optional(), query(ctx, 'client'), 'client')
  const download = valid(queries.download.optional(), query(ctx, 'download'), 'download')
  const types = query(ctx, 'type')
    ?.split(',')
    .map((type) => valid(queries.eventTypes.element, type, 'type'))
  return ({ clientId, downloadId, path, type }) =>
    (client === undefined || clientId === client) &&
    (download === undefined || downloadId === download) &&
    (types === undefined || types.includes(type)) &&
    mayClient(principal, clientId) &&
    (downloadId === null || mayPath(principal, path))
}

/** Server-sent events, as HTML has them (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
async function* streamOf(told: AsyncIterable<Told>): AsyncGenerator<Buffer> {
  yield Buffer.from(`retry: ${RETRY}\n`)
  for await (const one of told) yield Buffer.from(textOf(one))
}

function textOf(told: Told): string {
  if ('events' in told) return told.events.map(blockOf).join('')
  const { position, lost } = told
  // An id alone is no event; who comes again says it all the same.
  return lost ? `id: ${position}\nevent: reset\ndata: {"reason":"events-forgotten"}\n\n` : `:\nid: ${position}\n\n`
}

function blockOf(record: EventRecord): string {
  const event = presentEvent(record)
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}
