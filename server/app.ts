import { Router } from '@koa/router'
import Koa from 'koa'
import type { Log } from '../shared/log.ts'
import type { Domain } from './domain/index.ts'
import { agentRoutes } from './http/agents.ts'
import { aliasRoutes } from './http/aliases.ts'
import { clientRoutes } from './http/clients.ts'
import { contentRoutes } from './http/content.ts'
import { downloadRoutes } from './http/downloads.ts'
import { healthRoutes } from './http/health.ts'
import { presented } from './http/presented.ts'
import type { Present } from './http/present.ts'
import { problems } from './http/problem.ts'
import { requestLog } from './http/request-log.ts'

export interface AppDeps {
  domain: Domain
  present: Present
  log: Log
  /** How long GET /api/download/ID waits for a first byte, in ms. */
  downloadTimeout: number
}

/** The order of the middleware, and nothing else. */
export function createApp(deps: AppDeps): Koa {
  const router = new Router()
  agentRoutes(router, deps)
  downloadRoutes(router, deps)
  contentRoutes(router, deps)
  clientRoutes(router, deps)
  healthRoutes(router, deps)
  aliasRoutes(router, deps)

  const app = new Koa()
  app.on('error', (error) => deps.log.debug({ err: error }, 'connection ended early'))
  app.use(requestLog(deps))
  app.use(problems({ log: deps.log, spread: deps.domain.sessions.spread }))
  app.use(presented)
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}
