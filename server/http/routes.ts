import { Router } from '@koa/router'
import { accessRoutes } from './access.ts'
import { agentRoutes } from './agents.ts'
import { aliasRoutes } from './aliases.ts'
import { auditRoutes } from './audit.ts'
import { clientRoutes } from './clients.ts'
import { contentRoutes } from './content.ts'
import type { Access } from '../domain/access/index.ts'
import type { Domain } from '../domain/index.ts'
import type { Metrics } from '../metrics/index.ts'
import { directRoutes } from './direct.ts'
import { downloadRoutes } from './downloads.ts'
import { eventRoutes } from './events.ts'
import { healthRoutes } from './health.ts'
import { metricsRoutes } from './metrics.ts'
import { describeApi, openapiRoutes } from './openapi.ts'
import { overviewRoutes } from './overview.ts'
import { pageRoutes } from './pages.ts'
import type { SignInCookie } from './cookie.ts'
import { signInRoutes } from './sign-in.ts'
import { releaseRoutes, type ReleaseDeps } from './releases.ts'
import type { Present } from './present.ts'
import { updateRoutes } from './updates.ts'
import { uploadRoutes } from './uploads.ts'

export interface RoutesDeps extends ReleaseDeps {
  domain: Domain
  access: Access
  cookie: SignInCookie
  present: Present
  metrics: Metrics
  version: string
  /** How long GET /api/download/ID waits for a first byte, in ms. */
  downloadTimeout: number
}

/** Every route of the server. */
export function createRouter(deps: RoutesDeps): Router {
  const router = new Router()
  agentRoutes(router, deps)
  uploadRoutes(router, deps)
  directRoutes(router, deps)
  downloadRoutes(router, deps)
  eventRoutes(router, deps)
  contentRoutes(router, deps)
  clientRoutes(router, deps)
  updateRoutes(router, deps)
  accessRoutes(router, deps)
  signInRoutes(router, deps)
  auditRoutes(router, deps.access)
  healthRoutes(router, deps)
  metricsRoutes(router, deps)
  overviewRoutes(router, deps)
  const document = describeApi(deps.version)
  openapiRoutes(router, { document })
  pageRoutes(router, { document })
  releaseRoutes(router, deps)
  aliasRoutes(router, deps)
  return router
}
