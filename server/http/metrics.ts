import type { Router } from '@koa/router'
import type { Metrics } from '../metrics/index.ts'

/** GET /metrics, for Prometheus. */
export function metricsRoutes(router: Router, { metrics }: { metrics: Metrics }): void {
  router.get('/metrics', async (ctx) => {
    ctx.body = await metrics.text()
    ctx.set('Content-Type', metrics.contentType)
  })
}
