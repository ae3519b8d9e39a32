import type { Router } from '@koa/router'
import type { RouteDeps } from './agents.ts'

/** For people, load balancers and service managers. */
export function healthRoutes(router: Router, { domain }: RouteDeps): void {
  router.get('/health', (ctx) => {
    ctx.body = { status: 'ok', timestamp: new Date().toISOString() }
  })

  router.get('/ready', async (ctx) => {
    await domain.checkReady()
    ctx.body = { status: 'ready', timestamp: new Date().toISOString() }
  })
}
