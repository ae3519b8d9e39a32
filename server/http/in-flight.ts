import type { Middleware } from 'koa'

export interface InFlight {
  middleware: Middleware
  /** Resolves when no request is being handled. */
  settled(): Promise<void>
}

/** Knows which requests are being handled, so that the stores are closed after the last of them has cleaned up. */
export function createInFlight(): InFlight {
  const running = new Set<Promise<void>>()
  return {
    async middleware(_ctx, next) {
      const handled: Promise<void> = next().finally(() => running.delete(handled))
      running.add(handled)
      await handled
    },
    async settled() {
      while (running.size > 0) await Promise.allSettled(running)
    },
  }
}
