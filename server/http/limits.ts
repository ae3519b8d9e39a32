import type { Middleware } from 'koa'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { AppError } from '../../shared/errors.ts'
import { principalOf } from './gate.ts'

/** Of one address: calls that say not, or wrongly, who they are. Whoever says it rightly is not held back by them. */
const FAILURES_PER_MINUTE = 60
/** Of one address: agents that ask for a nonce to sign. Many can come by way of one proxy. */
const CHALLENGES_PER_MINUTE = 6000
/** Of one operator's token. */
const REQUESTS_PER_MINUTE = 3000
/** Of one credential: sessions, which cost a proof each. */
const SESSIONS_PER_MINUTE = 60

/** Holds back who asks too often: strangers by their address, operators and agents by what they prove themselves with. */
export function limited(): Middleware {
  const perMinute = (points: number): RateLimiterMemory => new RateLimiterMemory({ points, duration: 60 })
  const failures = perMinute(FAILURES_PER_MINUTE)
  const challenges = perMinute(CHALLENGES_PER_MINUTE)
  const requests = perMinute(REQUESTS_PER_MINUTE)
  const sessions = perMinute(SESSIONS_PER_MINUTE)

  return async (ctx, next) => {
    const principal = principalOf(ctx)
    if (principal.kind === 'nobody' && !isProbe(ctx.path)) {
      const asksForNonce = ctx.path === '/sessions' && ctx.get('Authorization') === ''
      await consume(asksForNonce ? challenges : failures, ctx.ip)
    }
    if (principal.kind === 'operator') await consume(requests, principal.id)
    if (principal.kind === 'agent' && ctx.path === '/sessions') await consume(sessions, principal.credentialId)
    await next()
  }
}

/** What load balancers and service managers ask, often, and without a token. */
const isProbe = (path: string): boolean => path === '/health' || path === '/ready'

async function consume(limiter: RateLimiterMemory, key: string): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error
    const retryAfter = Math.ceil(error.msBeforeNext / 1000)
    throw new AppError('too-many-requests', `Too many requests; come again in ${retryAfter} s.`, { retryAfter })
  }
}
