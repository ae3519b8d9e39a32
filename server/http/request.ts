import type { Context } from 'koa'
import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import { clientIdSchema, headers, labelsSchema } from '../../shared/protocol.ts'
import { unknownDownload } from '../domain/guards.ts'
import { valid } from './json.ts'
import { waitSeconds } from './prefer.ts'

const downloadId = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)

/** A parameter of the route. */
export function parameter(ctx: Context, name: string): string {
  return String(ctx['params'][name] ?? '')
}

/** A query parameter given once; undefined when it is absent. @throws AppError `invalid` when given twice */
export function query(ctx: Context, name: string): string | undefined {
  const value = ctx.query[name]
  if (Array.isArray(value)) throw new AppError('invalid', `${name} may be given once only.`, { field: name })
  return value
}

/** A query parameter that is a whole number, as `schema` has it. @throws AppError `invalid` */
export function integerQuery(ctx: Context, name: string, schema: z.ZodType<number>): number | undefined {
  const text = query(ctx, name)
  // Nothing would be read as 0.
  return text === undefined ? undefined : valid(schema, text === '' ? 'x' : text, name)
}

/** `label=k=v`, any number of times. @throws AppError `invalid` */
export function labelsQuery(ctx: Context): Record<string, string> {
  const given = ctx.query['label'] ?? []
  const pairs = (Array.isArray(given) ? given : [given]).map((text) => {
    const at = text.indexOf('=')
    if (at < 1) {
      throw new AppError('invalid', `label must read key=value, not "${text.slice(0, 100)}".`, { field: 'label' })
    }
    return [text.slice(0, at), text.slice(at + 1)]
  })
  return valid(labelsSchema, Object.fromEntries(pairs), 'label')
}

/** A client's id from the route. @throws AppError `invalid` */
export function clientIdOf(ctx: Context, name = 'id'): string {
  return valid(clientIdSchema, parameter(ctx, name), 'clientId')
}

/** A download's id from the route. What is no UUID names no download. @throws AppError `download-unknown` */
export function downloadIdOf(ctx: Context): string {
  const id = parameter(ctx, 'id')
  if (downloadId.safeParse(id).success) return id
  throw unknownDownload(id)
}

/**
 * `Prefer: wait=N` (RFC 7240 §4.3) in ms, at most 300 s; 0 without one. What was applied is said in the answer.
 */
export function preferredWait(ctx: Context): number {
  const applied = waitSeconds(ctx.get('Prefer'))
  if (applied === undefined) return 0
  ctx.set('Preference-Applied', `wait=${applied}`)
  ctx.vary('Prefer')
  return applied * 1000
}

/** A header that must be there. @throws AppError `invalid` naming it */
export function requiredHeader(ctx: Context, name: string): string {
  const value = ctx.get(name)
  if (value === '') throw new AppError('invalid', `The header ${name} is missing.`, { field: name })
  return value
}

/** The caller's session. @throws AppError `session-required` */
export function sessionOf(ctx: Context): string {
  const session = ctx.get(headers.session)
  if (session === '')
    throw new AppError('session-required', `The header ${headers.session} is missing; POST /sessions gives one.`, {
      field: headers.session,
    })
  return session
}
