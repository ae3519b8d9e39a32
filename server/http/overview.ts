import type { Router } from '@koa/router'
import type { Overview } from '../../shared/operator.ts'
import type { RouteDeps } from './agents.ts'
import { principalOf } from './gate.ts'

/** How things stand, in numbers. */
export function overviewRoutes(router: Router, { domain, version }: RouteDeps & { version: string }): void {
  router.get('/overview', async (ctx) => {
    const { at, ...counts } = await domain.overview(principalOf(ctx))
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { at: new Date(at).toISOString(), version, ...counts } satisfies Overview
  })
}
