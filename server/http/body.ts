import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { pause } from '../../shared/wait.ts'

const DRAIN_BYTES = 1024 * 1024
const DRAIN_MS = 2_000
/** Where tokens are wanted, eleven wait for the end of an answer, and Node takes that many for a leak. */
const LISTENERS = 20

/** Reads on for a bounded time and length, so that a caller who still sends sees the answer and not a reset. */
export async function drain(req: IncomingMessage): Promise<void> {
  let bytes = 0
  const ended = new Promise<void>((resolve) => {
    req.on('data', (piece: Buffer) => {
      bytes += piece.byteLength
      if (bytes > DRAIN_BYTES) resolve()
    })
    req.once('end', resolve)
    req.once('close', resolve)
  })
  req.resume()
  await Promise.race([ended, pause(DRAIN_MS)])
  req.pause()
}

/** Aborts when the caller's connection ends before the answer is out. */
export function callerGone(ctx: Context): AbortSignal {
  ctx.res.setMaxListeners(LISTENERS)
  const controller = new AbortController()
  const closed = (): void => {
    if (!ctx.res.writableFinished) controller.abort(new AppError('range-invalid', 'The caller has gone.'))
  }
  if (ctx.res.closed) closed()
  else ctx.res.once('close', closed)
  return controller.signal
}
