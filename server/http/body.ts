import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { pause } from '../../shared/wait.ts'

/** A body that stands still for this long, in ms, is given up. There is no limit on the length of a request. */
const IDLE = 60_000
/** Bytes of one body that may wait in memory for the disk. */
const AHEAD = 256 * 1024
const DRAIN_BYTES = 1024 * 1024
const DRAIN_MS = 2_000

/**
 * The pieces of a request's body, as they arrive.
 * @throws the signal's reason when it aborts, AppError `body-timeout` when the body stands still, Error when the connection breaks
 */
export async function* readBody(req: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
  const queue: Buffer[] = []
  let length = 0
  // Flowing and not read(): in paused mode that joins what is there into new buffers.
  const take = (piece: Buffer): void => {
    queue.push(piece)
    length += piece.byteLength
    if (length >= AHEAD) req.pause()
  }
  req.on('data', take)
  try {
    for (;;) {
      if (signal.aborted) throw signal.reason
      const piece = queue.shift()
      if (piece) {
        length -= piece.byteLength
        yield piece
      } else if (req.readableEnded) return
      else if (req.destroyed) throw new AppError('range-invalid', 'The connection broke before the body was whole.')
      else await moreOrAbort(req, signal)
    }
  } finally {
    req.off('data', take)
    req.pause()
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
    const events = ['data', 'end', 'close', 'error'] as const
    const timer = setTimeout(
      () => settle(new AppError('body-timeout', `No byte of the body came for ${IDLE / 1000} s.`)),
      IDLE,
    )
    for (const event of events) req.on(event, done)
    signal.addEventListener('abort', done)
    req.resume()
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
