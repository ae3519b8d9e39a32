import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again until `read` gives something else than undefined, false or null.
 * @throws Error naming what was waited for, after `ms`
 */
export async function until<T>(
  what: string,
  read: () => Promise<T | undefined | false | null>,
  ms = 30_000,
): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const value = await read()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain for ${what}`)
    await delay(20)
  }
}
