import type { Router } from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { AuditList } from '../../shared/access.ts'
import { isAppError } from '../../shared/errors.ts'
import type { AuditEntry } from '../access-ports.ts'
import { actorOf, type Audit } from '../domain/access/audit.ts'
import { addressOf } from './caller.ts'
import { isChallenge } from './challenge.ts'
import { principalOf } from './gate.ts'
import { valid } from './json.ts'
import type { Operation } from './operation.ts'
import { queries } from './parameters.ts'
import { statusOf } from './problem.ts'
import { integerQuery, query } from './request.ts'

/** What a call was about. */
export interface Subject {
  clientId?: string | null
  path?: string | null
  downloadId?: string | null
}

const subjects = new WeakMap<Context['req'], Subject[]>()
const operationsOf = new WeakMap<Context['req'], { name: string; operation: Operation }>()

/** Says what the audit is to say of a call. */
export function about(ctx: Context, ...found: Subject[]): void {
  subjects.set(ctx.req, found)
}

/** Says which operation a call is. */
export function isOperation(ctx: Context, name: string, operation: Operation): void {
  operationsOf.set(ctx.req, { name, operation })
}

/** `GET /downloads/{id}`; undefined where no operation was found, or looked for yet. */
export function operationName({ req }: Pick<Context, 'req'>): string | undefined {
  return operationsOf.get(req)?.name
}

/** Writes down what operators do and fetch, and every refusal, before the answer goes out. */
export function audited({ audit }: { audit: Audit }): Middleware {
  const note = async (ctx: Context, status: number, code: string | null): Promise<void> => {
    if (!matters(ctx, status)) return
    const action = operationName(ctx) ?? `${ctx.method} ${ctx.path.slice(0, 200)}`
    const call = { actor: actorOf(principalOf(ctx)), address: addressOf(ctx), action, status, code }
    const list = subjects.get(ctx.req) ?? [{}]
    await audit.note(
      list.map(({ clientId = null, path = null, downloadId = null }) => ({ ...call, clientId, path, downloadId })),
    )
  }

  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      const code = isAppError(error) ? error.code : 'internal'
      await note(ctx, statusOf(code), code)
      throw error
    }
    await note(ctx, ctx.status, null)
  }
}

/** What agents do with their own jobs is told by the downloads. */
function matters(ctx: Context, status: number): boolean {
  const access = operationsOf.get(ctx.req)?.operation.access
  if (status === 401) return !isChallenge(ctx)
  if (status === 403) return true
  // Somebody else's is not there: for an agent that is no mistake of its own. Where there is no route, there is nothing.
  if (status === 404 && principalOf(ctx).kind === 'agent') return access !== undefined
  if (access === undefined || access === 'public' || access === 'agent' || ctx.method === 'HEAD') return false
  return ctx.method !== 'GET' || access === 'content' || access === 'ask-content'
}

/** GET /audit: newest first. */
export function auditRoutes(router: Router, { audit }: { audit: Audit }): void {
  router.get('/audit', async (ctx) => {
    const limit = integerQuery(ctx, 'limit', queries.limit) ?? 100
    const found = await audit.list({
      clientId: valid(queries.client.optional(), query(ctx, 'client'), 'client'),
      actor: query(ctx, 'actor'),
      before: integerQuery(ctx, 'cursor', queries.cursor),
      limit: limit + 1,
    })
    const page = found.slice(0, limit)
    ctx.set('Cache-Control', 'no-store')
    ctx.body = {
      entries: page.map(presentEntry),
      next: found.length > limit ? String(page.at(-1)?.seq) : null,
    } satisfies AuditList
  })
}

function presentEntry(entry: AuditEntry): AuditList['entries'][number] {
  const { at, actor, address, action, clientId, path, downloadId, status, code } = entry
  return { at: new Date(at).toISOString(), actor, address, action, clientId, path, downloadId, status, code }
}
