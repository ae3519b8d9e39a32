import type { Context, Middleware } from 'koa'
import { RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible'
import { AppError, isAppError } from '../../shared/errors.ts'
import type { MakeLimiter } from '../access-ports.ts'
import { networkOf } from '../address.ts'
import type { Principal } from '../domain/access/principal.ts'
import { isOfOtherPage, strangeness } from './browsers.ts'
import { addressOf } from './caller.ts'
import { isByCookie, isProbe, principalOf } from './gate.ts'
import { isChallenge } from './challenge.ts'
import { hasWaited } from './held-polls.ts'

/** Of one address, or of one agent: calls that say wrongly who calls, or ask for what is not theirs. */
const FAILURES_PER_MINUTE = 60
/**
 * Of one address: agents that ask for a nonce, or whose session's token has run out. Both are as it should be, and many
 * can come by way of one proxy.
 */
const CHALLENGES_PER_MINUTE = 6000
/** Of one address: people who sign in, with whatever token. */
const SIGN_INS_PER_MINUTE = 60
/** Of one operator's token. */
const REQUESTS_PER_MINUTE = 12_000
/**
 * Of one credential. Neither polls that were held count, of which there are few at once, nor the bytes of files, of which
 * there cannot be too many.
 */
const CALLS_PER_MINUTE = 6000
/** Of one credential: what it proves itself for costs a signature each. */
const PROOFS_PER_MINUTE = 60
/** Of one address: many sites can install their agents by way of one, and many people sign in. */
const INSTALLS_PER_MINUTE = 600
/** With one enrolment token, from one address: a row of the audit each. */
const ENROLMENTS_PER_MINUTE = 600

/** Holds back who asks too often: strangers by their address, operators and agents by what they prove themselves with. */
export function limited(makeLimiter: MakeLimiter): Middleware {
  const perMinute = (name: string, points: number): RateLimiterAbstract => makeLimiter({ name, points, seconds: 60 })
  const failures = perMinute('failures', FAILURES_PER_MINUTE)
  const challenges = perMinute('challenges', CHALLENGES_PER_MINUTE)
  const signIns = perMinute('sign-ins', SIGN_INS_PER_MINUTE)
  const requests = perMinute('requests', REQUESTS_PER_MINUTE)
  const calls = perMinute('calls', CALLS_PER_MINUTE)
  const installs = perMinute('installs', INSTALLS_PER_MINUTE)
  const proofs = perMinute('proofs', PROOFS_PER_MINUTE)
  const enrolled = perMinute('enrolments', ENROLMENTS_PER_MINUTE)

  /** Who has failed too often is not heard: what comes of it would be one more row of the audit. */
  const checkFailures = async (name: string): Promise<void> => {
    const failed = await failures.get(name)
    if (failed && failed.consumedPoints >= FAILURES_PER_MINUTE) throw tooMany(failed)
  }

  const admit = async (ctx: Context, principal: Principal): Promise<void> => {
    if (isSigningIn(ctx)) await consume(signIns, networkOf(addressOf(ctx)))
    else if (principal.kind === 'nobody' && !isProbe(ctx.req) && !isOfPage(ctx))
      await consume(
        isForEverybody(ctx) ? installs : isChallenge(ctx) ? challenges : failures,
        networkOf(addressOf(ctx)),
      )
    // What pages ask for is refused in any case; nobody else is held back by it.
    if (strangeness(ctx) !== undefined) await consume(failures, networkOf(addressOf(ctx)))
    if (principal.kind === 'operator') await consume(requests, principal.id)
    const name = nameOf(ctx, principal)
    // Who has waited cannot ask often, whatever comes of it.
    if (name !== undefined && !hasWaited(ctx.req)) await checkFailures(name)
    if (principal.kind === 'enrolment') await consume(enrolled, name ?? '')
    if (principal.kind !== 'agent') return
    if (principal.by === 'proof') await consume(proofs, principal.credentialId)
    else if (!isBytes(ctx) && !hasWaited(ctx.req)) await consume(calls, principal.credentialId)
  }

  return async (ctx, next) => {
    const principal = principalOf(ctx)
    await admit(ctx, principal)
    try {
      await next()
    } catch (error) {
      const name = nameOf(ctx, principal)
      if (name !== undefined && isAppError(error, ...refusals)) await consume(failures, name)
      throw error
    }
  }
}

/** What sites install, and pages, are for everybody; whatever else they ask for there counts alike. */
const isForEverybody = (ctx: Context): boolean =>
  asks(ctx) &&
  (['/install.sh', '/docs', '/openapi.json'].includes(ctx.path) ||
    ctx.path.startsWith('/agents/') ||
    isPage(ctx) ||
    (isSignIn(ctx) && !saysWho(ctx)))

/** One look at the page is some thirty requests, whose answers lie in memory: a whole office behind one address may look. */
const isOfPage = (ctx: Context): boolean => asks(ctx) && isPage(ctx) && !saysWho(ctx)

const isPage = ({ path }: Context): boolean => path === '/' || path.startsWith('/assets/')

const asks = ({ method }: Context): boolean => method === 'GET' || method === 'HEAD'

/** As the router reads it. */
const isSignIn = ({ path }: Context): boolean => /^\/sign-in\/?$/i.test(path)

/**
 * A token is tried, whoever tries it: what a call is worth to one who guesses. What a page of somebody else sends tries none,
 * and keeps nobody who looks at that page from signing in.
 */
const isSigningIn = (ctx: Context): boolean => ctx.method === 'POST' && isSignIn(ctx) && !isOfOtherPage(ctx.req)

/** Who says so wrongly has failed, and is told nothing more than elsewhere. */
const saysWho = (ctx: Context): boolean => ctx.get('Authorization') !== '' || isByCookie(ctx.req)

/** A chunk, or what is asked and said of one that goes to the store itself. */
const isBytes = ({ method, path }: Context): boolean =>
  method === 'PUT' || (method === 'POST' && /^\/jobs\/[^/]+\/chunks(\/commit)?$/.test(path))

/** What is not theirs, and what they cannot have any more. */
const refusals = ['not-permitted', 'download-unknown', 'client-unknown', 'enrolment-spent', 'key-revoked'] as const

/** Whose failures these are. Many sites have one enrolment token, and none of them keeps the others out. */
function nameOf(ctx: Context, principal: Principal): string | undefined {
  if (principal.kind === 'agent') return principal.credentialId
  return principal.kind === 'enrolment' ? `${principal.enrolment.id} ${networkOf(addressOf(ctx))}` : undefined
}

async function consume(limiter: RateLimiterAbstract, key: string): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (error) {
    throw error instanceof RateLimiterRes ? tooMany(error) : error
  }
}

function tooMany({ msBeforeNext }: RateLimiterRes): AppError {
  const retryAfter = Math.ceil(msBeforeNext / 1000)
  return new AppError('too-many-requests', `Too many requests; come again in ${retryAfter} s.`, { retryAfter })
}
