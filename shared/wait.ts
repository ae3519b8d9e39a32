import { setTimeout as delay } from 'node:timers/promises'

/** Resolves after `ms`, at once when that is past, or as soon as `signal` aborts; never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(Math.max(0, ms), undefined, signal ? { signal } : {}).catch(() => undefined)
}

/** Full jitter: a random time in [0, min(cap, base × 2^attempt)), in ms. */
export function fullJitter(attempt: number, { baseMs, capMs }: { baseMs: number; capMs: number }): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30))
}
