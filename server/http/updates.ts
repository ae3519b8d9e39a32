import type { Router } from '@koa/router'
import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import type { Client } from '../../shared/operator.ts'
import { updateReportSchema } from '../../shared/protocol.ts'
import { mayClient } from '../domain/access/principal.ts'
import { unknownClient } from '../domain/guards.ts'
import type { ClientRecord } from '../ports.ts'
import type { RouteDeps } from './agents.ts'
import { about } from './audit.ts'
import { principalOf } from './gate.ts'
import { bodyOf, jsonBody, valid } from './json.ts'
import { queries } from './parameters.ts'
import { clientIdOf, parameter, query, sessionOf } from './request.ts'

/** There is nothing to say: the version is that of the release. */
const nothing = z.strictObject({})

/** Orders to become another version, and what agents tell of them. */
export function updateRoutes(router: Router, { domain, present }: RouteDeps): void {
  const { updates } = domain
  const presented = async (client: ClientRecord): Promise<Client> => present.client(client, await updates.release())

  router.post('/clients/:id/update', jsonBody, async (ctx) => {
    const id = clientIdOf(ctx)
    bodyOf(ctx, nothing)
    const client = await updates.order(id)
    about(ctx, { clientId: id, path: `${client.update?.id} ${client.update?.version}` })
    ctx.status = 202
    ctx.body = await presented(client)
  })

  router.delete('/clients/:id/update', async (ctx) => {
    ctx.body = await presented(await updates.takeBack(clientIdOf(ctx)))
  })

  router.post('/updates/:id', jsonBody, async (ctx) => {
    const clientId = valid(queries.client, query(ctx, 'client'), 'client')
    if (!mayClient(principalOf(ctx), clientId)) throw unknownClient(clientId)
    const session = sessionOf(ctx)
    const report = bodyOf(ctx, updateReportSchema)
    if (report.id !== parameter(ctx, 'id'))
      throw new AppError('invalid', 'id: must be that of the path', { field: 'id' })
    await updates.report(clientId, session, report)
    ctx.status = 204
  })
}
