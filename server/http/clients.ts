import type { Router } from '@koa/router'
import type { Client, ClientList } from '../../shared/operator.ts'
import { mayClient, nameOf, type Principal } from '../domain/access/principal.ts'
import { unknownClient } from '../domain/guards.ts'
import type { RouteDeps } from './agents.ts'
import { about } from './audit.ts'
import { BEGIN_WITHIN, describeExisting, sendContent } from './content.ts'
import { principalOf } from './gate.ts'
import { valid } from './json.ts'
import { queries } from './parameters.ts'
import { checkPath, permittedPage } from './permitted.ts'
import { clientIdOf, integerQuery, labelsQuery, parameter, query } from './request.ts'

/** Whoever may not see all clients is told no id of another: they are all looked through, as without a limit. */
const unlessScoped = (principal: Principal): { within?: number } =>
  principal.kind === 'operator' && principal.clients !== null ? { within: Infinity } : {}

/** The operator's calls about clients, and a client's file straight through. */
export function clientRoutes(router: Router, { domain, present }: RouteDeps): void {
  router.get('/clients', async (ctx) => {
    const status = valid(queries.shown, query(ctx, 'status') ?? 'online', 'status')
    const outdated = valid(queries.outdated.optional(), query(ctx, 'outdated'), 'outdated')
    const search = valid(queries.search.optional(), query(ctx, 'search'), 'search')
    const cursor = valid(queries.clientCursor.optional(), query(ctx, 'cursor'), 'cursor')
    const limit = integerQuery(ctx, 'limit', queries.clientLimit)
    const labels = labelsQuery(ctx)
    const principal = principalOf(ctx)
    const release = await domain.updates.release()
    const seen = status === 'online' ? domain.presence.rowsOfOnline() : undefined
    const list = async (after: string | undefined, most: number | undefined): Promise<Client[]> => {
      const found = await domain.listClients({ labels, search, seen, after, limit: most })
      return found.map((client) => present.client(client, release))
    }
    const may = (client: Client): boolean =>
      mayClient(principal, client.id) &&
      (status === 'all' || client.status === status) &&
      (outdated === undefined || client.outdated === (outdated === 'true'))
    const { page, next } =
      limit === undefined
        ? { page: (await list(cursor, undefined)).filter(may), next: null }
        : await permittedPage({
            list,
            cursor,
            cursorOf: ({ id }: Client) => id,
            limit,
            may,
            ...unlessScoped(principal),
          })
    ctx.body = { clients: page, count: page.length, next } satisfies ClientList
  })

  router.get('/clients/:id', async (ctx) => {
    const id = clientIdOf(ctx)
    const client = await domain.findClient(id)
    if (!client) throw unknownClient(id)
    ctx.body = present.client(client, await domain.updates.release()) satisfies Client
  })

  router.get(['/clients/:id/files', '/clients/:id/files/*path'], async (ctx) => {
    const id = clientIdOf(ctx)
    const path = valid(queries.path, query(ctx, 'path') ?? parameter(ctx, 'path'), 'path')
    about(ctx, { clientId: id, path })
    checkPath(principalOf(ctx), path)
    const wait = integerQuery(ctx, 'wait', queries.wait)
    if (ctx.method === 'HEAD') return describeExisting(ctx, domain, id, path)
    const download = await domain.contents.request(id, path, nameOf(principalOf(ctx)))
    about(ctx, { clientId: id, path, downloadId: download.id })
    ctx.set('Content-Location', `/downloads/${download.id}/content`)
    await sendContent(ctx, domain, download.id, {
      beginMs: wait === undefined ? BEGIN_WITHIN : wait * 1000,
      onlineOnly: true,
    })
  })
}
