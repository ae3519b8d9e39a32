import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { signInRequestSchema, type SignIn } from '../../shared/access.ts'
import { AppError } from '../../shared/errors.ts'
import type { Access } from '../domain/access/index.ts'
import type { Principal } from '../domain/access/principal.ts'
import { unauthenticated } from './authorize.ts'
import { isOfOtherPage } from './browsers.ts'
import { mayBeOperators, type SignInCookie } from './cookie.ts'
import { principalOf } from './gate.ts'
import { bodyOf, jsonBody } from './json.ts'

/** Signing in on a page: an operator's token becomes a cookie, and counts for what that token may. */
export function signInRoutes(router: Router, { access, cookie }: { access: Access; cookie: SignInCookie }): void {
  router.get('/sign-in', (ctx) => {
    answer(ctx, principalOf(ctx))
  })

  router.post('/sign-in', jsonBody, async (ctx) => {
    checkPage(ctx)
    const { token } = bodyOf(ctx, signInRequestSchema)
    const principal = await identify(access, token)
    if (principal.kind !== 'anyone' && principal.kind !== 'operator') {
      throw await unauthenticated(ctx, access, `Bearer ${token}`)
    }
    if (principal.kind === 'operator') cookie.keep(ctx, token)
    answer(ctx, principal)
  })

  router.delete('/sign-in', (ctx) => {
    checkPage(ctx)
    cookie.forget(ctx)
    ctx.status = 204
  })
}

/** Agents prove themselves by their calls, and not here. */
const identify = async ({ authenticate }: Access, token: string): Promise<Principal> =>
  mayBeOperators(token) ? authenticate(`Bearer ${token}`) : { kind: 'nobody' }

/** Nobody else's page signs anybody in, as somebody else, or out. @throws AppError `not-permitted` */
function checkPage({ req }: Context): void {
  if (isOfOtherPage(req)) throw new AppError('not-permitted', 'This comes from a page of somebody else.')
}

function answer(ctx: Context, principal: Principal): void {
  ctx.set('Cache-Control', 'no-store')
  ctx.body = describe(principal)
}

function describe(principal: Principal): SignIn {
  if (principal.kind === 'anyone') return { needed: false, signedIn: true, name: null, role: 'admin', content: true }
  if (principal.kind !== 'operator') return { needed: true, signedIn: false, name: null, role: null, content: false }
  const { name, role, content } = principal
  return { needed: true, signedIn: true, name, role, content }
}
