import Koa from 'koa'
import type { Log } from '../shared/log.ts'
import type { MakeLimiter } from './access-ports.ts'
import { audited } from './http/audit.ts'
import { authorized } from './http/authorize.ts'
import { ownMachineOnly } from './http/browsers.ts'
import { careful } from './http/careful.ts'
import { keptPrivate } from './http/cookie.ts'
import { lengthsWithin } from './http/lengths.ts'
import { limited } from './http/limits.ts'
import type { InFlight } from './http/in-flight.ts'
import { presented } from './http/presented.ts'
import { problems } from './http/problem.ts'
import { requestLog } from './http/request-log.ts'
import { createRouter, type RoutesDeps } from './http/routes.ts'
import { readableTarget } from './http/target.ts'
import { traced } from './http/trace.ts'

export interface AppDeps extends RoutesDeps {
  log: Log
  inFlight: InFlight
  makeLimiter: MakeLimiter
  trustProxy: number
  tls: boolean
  /** Longer contents go out without a Content-Length, in bytes. */
  lengthLimit: number | undefined
}

/** The order of the middleware, and nothing else. */
export function createApp(deps: AppDeps): Koa {
  const router = createRouter(deps)
  // Each proxy adds the address that it sees: of so many, the last are true.
  const app = new Koa({ proxy: deps.trustProxy > 0, maxIpsCount: deps.trustProxy })
  app.on('error', (error) => deps.log.debug({ err: error }, 'connection ended early'))
  app.use(readableTarget)
  app.use(deps.inFlight.middleware)
  app.use(traced)
  app.use(requestLog(deps))
  app.use(careful({ tls: deps.tls }))
  app.use(problems({ ...deps, spread: deps.domain.sessions.spread }))
  app.use(lengthsWithin(deps.lengthLimit))
  app.use(keptPrivate)
  app.use(presented)
  app.use(limited(deps.makeLimiter))
  app.use(audited(deps.access))
  app.use(ownMachineOnly)
  app.use(authorized({ ...deps, router }))
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}
