import { koaBody } from 'koa-body'
import type { Context, Middleware } from 'koa'
import type { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import { pause } from '../../shared/wait.ts'

const LIMIT = 1024 * 1024

const parse = koaBody({
  json: true,
  urlencoded: false,
  text: false,
  multipart: false,
  jsonLimit: LIMIT,
  onError(error) {
    if ('status' in error && error.status === 413)
      throw new AppError('too-large', `A JSON body has at most ${LIMIT} bytes.`, { limit: LIMIT })
    throw new AppError('invalid', `The body is no JSON: ${error.message}`, { field: 'body' })
  },
})

/** Reads a JSON body on the routes that take one; never on those that take a file. No body at all counts as `{}`. */
export const jsonBody: Middleware = async (ctx, next) => {
  if (hasBody(ctx) && !ctx.is('application/json')) {
    throw new AppError(
      'unsupported-media-type',
      `The body must be application/json, not ${ctx.get('Content-Type') || 'of no type'}; curl: -H 'content-type: application/json'.`,
    )
  }
  await parseInTime(ctx)
  await next()
}

/** A JSON body is small: one that takes this long, in ms, stands still. */
const WITHIN = 60_000

async function parseInTime(ctx: Context): Promise<void> {
  const parsed = new AbortController()
  const orLate = async (): Promise<void> => {
    await pause(WITHIN, parsed.signal)
    if (parsed.signal.aborted) return
    throw new AppError('body-timeout', `The body was not whole after ${WITHIN / 1000} s.`)
  }
  try {
    await Promise.race([parse(ctx, async () => undefined), orLate()])
  } finally {
    parsed.abort()
  }
}

function hasBody(ctx: Context): boolean {
  return ctx.get('Transfer-Encoding') !== '' || Number(ctx.get('Content-Length')) > 0
}

/**
 * The body as `schema` has it.
 * @throws AppError `invalid` with every field that is wrong
 */
export function bodyOf<S extends z.ZodType>(ctx: Context, schema: S): z.infer<S> {
  return valid(schema, ctx.request.body ?? {})
}

/** @throws AppError `invalid` with every field that is wrong */
export function valid<S extends z.ZodType>(schema: S, value: unknown, name?: string): z.infer<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = result.error.issues.map((issue) => ({
    field: [...(name === undefined ? [] : [name]), ...issue.path].join('.') || 'body',
    message: issue.message,
  }))
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new AppError('invalid', detail.slice(0, 2000), { field: errors[0]?.field, errors: errors.slice(0, 20) })
}
