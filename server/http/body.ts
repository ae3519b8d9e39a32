import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { pause } from '../../shared/wait.ts'

/** A body that stands still for this long, in ms, is given up. There is no limit on the length of a request. */
const IDLE = 60_000
const DRAIN_BYTES = 1024 * 1024
const DRAIN_MS = 2_000

/**
 * The pieces of a request's body, as they arrive.
 * @throws the signal's reason when it aborts, AppError `body-timeout` when the body stands still, Error when the connection breaks
 */
export async function* readBody(req: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (;;) {
    if (signal.aborted) throw signal.reason
    const piece: Buffer | null = req.read()
    if (piece !== null) yield piece
    else if (req.readableEnded) return
    else if (req.destroyed) throw new AppError('range-invalid', 'The connection broke before the body was whole.')
    else await moreOrAbort(req, signal)
  }
}

function moreOrAbort(req: IncomingMessage, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      clearTimeout(timer)
      for (const event of events) req.off(event, done)
      signal.removeEventListener('abort', done)
      if (error === undefined) resolve()
      else reject(error)
    }
    const done = (): void => settle()
    const events = ['readable', 'end', 'close', 'error'] as const
    const timer = setTimeout(
      () => settle(new AppError('body-timeout', `No byte of the body came for ${IDLE / 1000} s.`)),
      IDLE,
    )
    for (const event of events) req.on(event, done)
    signal.addEventListener('abort', done)
  })
}

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
  const controller = new AbortController()
  ctx.res.once('close', () => {
    if (!ctx.res.writableFinished) controller.abort(new AppError('range-invalid', 'The caller has gone.'))
  })
  return controller.signal
}
