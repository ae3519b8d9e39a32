import type { Router } from '@koa/router'
import type { Context, Middleware } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { headers } from '../../shared/protocol.ts'
import type { Access } from '../domain/access/index.ts'
import { hasRole, mayClient, mayPath, type Principal } from '../domain/access/principal.ts'
import { unknownClient, unknownDownload } from '../domain/guards.ts'
import type { Domain } from '../domain/index.ts'
import { about, isOperation } from './audit.ts'
import { isByCookie, principalOf } from './gate.ts'
import type { Operation } from './operation.ts'
import { operations } from './operations.ts'
import { SIGN_IN_OVER, whyNobody, whyNotPermitted } from './refusals.ts'

/** Lets through only who may, for every route alike; before anything of the request but its path is looked at. */
export function authorized({
  router,
  access,
  domain,
}: {
  router: Router
  access: Access
  domain: Pick<Domain, 'downloads'>
}): Middleware {
  return async (ctx, next) => {
    const found = operationOf(router, ctx)
    if (found) isOperation(ctx, found.name, found.operation)
    if (found?.operation.access === 'public') return next()
    const principal = principalOf(ctx)
    if (principal.kind === 'nobody') throw await unauthenticated(ctx, access, ctx.get('Authorization'))
    // What is unknown is answered by the router.
    if (!found) return next()
    checkKind(principal, found.operation)
    if (principal.kind === 'agent') checkMeans(ctx, principal, found)
    await checkObject(ctx, found, domain)
    return next()
  }
}

interface Found {
  name: string
  operation: Operation
  id: string
}

function operationOf(router: Router, ctx: Context): Found | undefined {
  const method = ctx.method === 'HEAD' ? 'GET' : ctx.method
  const layer = router.match(ctx.path, method).pathAndMethod.at(-1)
  if (!layer) return undefined
  const name = `${method} ${String(layer.path).replace(/[:*](\w+)/g, '{$1}')}`
  const operation = operations[name]
  // A route that nobody has described is for nobody.
  if (!operation) throw new Error(`no operation is described for ${name}`)
  return { name, operation, id: layer.params(ctx.path, layer.captures(ctx.path))['id'] ?? '' }
}

/** Why nobody knows who calls, by what they said; and how to say it. */
export async function unauthenticated(ctx: Context, { proofs }: Access, authorization: string): Promise<AppError> {
  // One field of two challenges (RFC 9110 §11.6.1): of two fields some proxies pass on the first alone.
  ctx.set('WWW-Authenticate', `Bearer realm="backhaul", Backhaul-Key nonce="${await proofs.nonce()}"`)
  const isOver = authorization === '' && isByCookie(ctx.req)
  return new AppError('unauthenticated', isOver ? SIGN_IN_OVER : whyNobody(authorization))
}

function checkKind(principal: Principal, operation: Operation): void {
  if (allows(principal, operation.access)) return
  throw new AppError('not-permitted', whyNotPermitted(principal, operation))
}

/** A proof begins a session, or tells the next key; a session's token is for the calls of that session. */
function checkMeans(ctx: Context, principal: Principal & { kind: 'agent' }, { name }: Found): void {
  if (principal.by === 'proof' && name !== 'POST /sessions' && name !== 'POST /credentials')
    throw new AppError('not-permitted', 'A proof begins a session, and the session gives a token for this.')
  if (principal.by === 'session' && ctx.get(headers.session) !== principal.session)
    throw new AppError('session-superseded', 'This token is of another session than the call; begin one.')
}

function allows(principal: Principal, access: Operation['access']): boolean {
  if (principal.kind === 'anyone') return true
  switch (access) {
    case 'public':
      return true
    case 'agent':
      return principal.kind === 'agent'
    case 'enrol':
      return principal.kind === 'agent' || principal.kind === 'enrolment'
    case 'content':
      return hasRole(principal, 'reader') && hasContent(principal)
    case 'ask-content':
      return hasRole(principal, 'operator') && hasContent(principal)
    default:
      return hasRole(principal, access)
  }
}

const hasContent = (principal: Principal): boolean => principal.kind === 'operator' && principal.content

/** What somebody else's is, is not there. */
async function checkObject(
  ctx: Context,
  { operation, id }: Found,
  { downloads }: Pick<Domain, 'downloads'>,
): Promise<void> {
  const principal = principalOf(ctx)
  // Nobody is kept from anything here, and an agent's calls are many.
  if (principal.kind === 'anyone' && operation.access === 'agent') return
  if (operation.of === 'client') {
    about(ctx, { clientId: id.slice(0, 64) })
    if (!mayClient(principal, id)) throw unknownClient(id.slice(0, 64))
  }
  if (operation.of !== 'download') return
  const { clientId, path } = await downloads.find(id)
  about(ctx, { clientId, path, downloadId: id })
  const may = mayClient(principal, clientId) && (principal.kind === 'agent' || mayPath(principal, path))
  if (!may) throw unknownDownload(id)
}
