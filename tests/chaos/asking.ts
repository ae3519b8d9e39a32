import { setTimeout as delay } from 'node:timers/promises'
import { finalStatuses } from '../../shared/protocol.ts'
import type { Download } from '../../shared/operator.ts'
import type { Operator } from './operator.ts'
import type { AskPlan } from './plan/asks.ts'
import { readAlong, type ReadResult } from './reader.ts'
import type { Sources } from './sources.ts'

/** A request that was answered 202, and what was done about it. */
export interface Asked {
  plan: AskPlan
  id: string
  /** Versions of the file that there were when it was asked for. */
  versions: number
  /** Bytes that it had then. */
  size: number
  cancelSent: boolean
  /** The server said that it is cancelled. */
  cancelled: boolean
  retried: boolean
  read: ReadResult | undefined
}

export interface Asking {
  asked: Asked[]
  /** As they were last seen, by id. */
  seen: ReadonlyMap<string, Download>
  open(): number
  /**
   * Makes every request of the plan; cancels, retries and reads as planned.
   * @returns when all have ended, or the signal aborted
   */
  run(plans: readonly AskPlan[]): Promise<void>
}

const LOOK_EVERY_MS = 500

export function createAsking({
  operator,
  sources,
  url,
  clientId,
  signal,
}: {
  operator: Operator
  sources: Sources
  url: string
  clientId: (client: number) => string
  signal: AbortSignal
}): Asking {
  const asked: Asked[] = []
  const seen = new Map<string, Download>()
  const doings = new Set<Promise<unknown>>()

  /** What goes on beside the rest; `run` waits for it. */
  const beside = (doing: Promise<unknown>): void => {
    const noted = doing.catch(() => undefined).finally(() => doings.delete(noted))
    doings.add(noted)
  }

  const ask = async (plan: AskPlan): Promise<void> => {
    const { file, priority, expiresIn } = plan
    const { versions } = sources.of(file)
    const before = { versions: versions.length, size: versions.at(-1)?.size ?? 0 }
    const download = await operator.ask({
      clientId: clientId(file.client),
      path: file.path,
      policy: file.policy,
      priority,
      ...(expiresIn === undefined ? {} : { expiresIn }),
    })
    const entry: Asked = {
      plan,
      id: download.id,
      ...before,
      cancelSent: false,
      cancelled: false,
      retried: false,
      read: undefined,
    }
    asked.push(entry)
    if (plan.read) beside(readAlong(url, download.id, signal).then((read) => (entry.read = read)))
    if (plan.cancelAfterMs !== undefined) beside(cancel(entry, plan.cancelAfterMs))
  }

  const cancel = async (entry: Asked, afterMs: number): Promise<void> => {
    await delay(afterMs)
    entry.cancelSent = true
    entry.cancelled = (await operator.cancel(entry.id)) === 200
  }

  /** Whoever asks again has put the file there first. */
  const retry = async (entry: Asked): Promise<void> => {
    entry.retried = true
    await sources.appear(entry.plan.file)
    await operator.retry(entry.id)
    seen.delete(entry.id)
  }

  const isOpen = (entry: Asked): boolean => {
    const download = seen.get(entry.id)
    return !download || !finalStatuses.includes(download.status) || (download.status === 'failed' && toRetry(entry))
  }

  const toRetry = ({ plan, retried, cancelSent }: Asked): boolean => plan.retry && !retried && !cancelSent

  const look = async (): Promise<void> => {
    for (const download of await operator.all()) seen.set(download.id, download)
    for (const entry of asked) {
      if (seen.get(entry.id)?.status === 'failed' && toRetry(entry)) await retry(entry)
    }
  }

  const send = async (plans: readonly AskPlan[]): Promise<void> => {
    const startedAt = performance.now()
    for (const plan of plans) {
      await delay(Math.max(1, plan.atMs - (performance.now() - startedAt)), undefined, { signal }).catch(
        () => undefined,
      )
      if (signal.aborted) return
      beside(ask(plan))
    }
  }

  const ignoreAbort = (error: unknown): void => {
    if (!signal.aborted) throw error
  }

  return {
    asked,
    seen,
    open: () => asked.filter(isOpen).length,

    async run(plans) {
      let sent = false
      const sending = send(plans).then(() => (sent = true))
      while (!signal.aborted) {
        await look().catch(ignoreAbort)
        if (sent && doings.size === 0 && asked.every((entry) => !isOpen(entry))) break
        await delay(LOOK_EVERY_MS)
      }
      await sending
    },
  }
}
