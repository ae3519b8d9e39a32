import type { Router } from '@koa/router'
import type { Client, ClientList } from '../../shared/operator.ts'
import { mayClient, nameOf } from '../domain/access/principal.ts'
import { unknownClient } from '../domain/guards.ts'
import type { RouteDeps } from './agents.ts'
import { about } from './audit.ts'
import { BEGIN_WITHIN, describeExisting, sendContent } from './content.ts'
import { principalOf } from './gate.ts'
import { valid } from './json.ts'
import { queries } from './parameters.ts'
import { checkPath } from './permitted.ts'
import { clientIdOf, integerQuery, labelsQuery, parameter, query } from './request.ts'

/** The operator's calls about clients, and a client's file straight through. */
export function clientRoutes(router: Router, { domain, present }: RouteDeps): void {
  router.get('/clients', async (ctx) => {
    const status = valid(queries.shown, query(ctx, 'status') ?? 'online', 'status')
    const outdated = valid(queries.outdated.optional(), query(ctx, 'outdated'), 'outdated')
    const principal = principalOf(ctx)
    const known = await domain.listClients({ labels: labelsQuery(ctx) })
    const release = await domain.updates.release()
    const mine = known.filter(({ id }) => mayClient(principal, id)).map((client) => present.client(client, release))
    const matching = mine.filter(
      (client) =>
        (status === 'all' || client.status === status) &&
        (outdated === undefined || client.outdated === (outdated === 'true')),
    )
    ctx.body = { clients: matching, count: matching.length } satisfies ClientList
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
