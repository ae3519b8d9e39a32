import { z } from 'zod'
import type { Sha256 } from '../shared/digest.ts'
import type { FailureCode } from '../shared/protocol.ts'
import { missing, pieces, totalLength, type Range } from '../shared/ranges.ts'
import { fullJitter, pause } from '../shared/wait.ts'
import type { ChunkVerdict } from './answers.ts'
import { isRefused, type Api } from './api.ts'
import { JobDropped, JobFailure, quote } from './failure.ts'
import type { ChunkLimits } from './limits.ts'
import { TransientError, type Retry } from './retry.ts'
import type { Loaded, Loader } from './load.ts'
import type { Patience } from './patience.ts'
import type { Send } from './way.ts'

/** The attempt that chunks belong to. */
export interface Target {
  id: string
  path: string
  attempt: number
  /** Bytes of the whole file. */
  size: number
  chunk: { min: number; max: number; preferred: number }
}

export interface Deliver {
  /**
   * Brings a range to the server, however long it takes; when it returns, every byte of it is durable.
   * @param known `loaded`: the range, if it was read already; its lane is released in any case. `whole`: the SHA-256 of
   *   the whole file, where nothing is left to do but to verify it
   * @throws JobFailure, JobDropped, the signal's reason
   */
  (range: Range, signal: AbortSignal, known?: { loaded?: Loaded; whole?: Sha256 | undefined }): Promise<void>
}

export interface DeliverDeps {
  api: Api
  /** How one chunk gets there. */
  send: Send
  retry: Retry
  limits: ChunkLimits
  patience: Patience
  load: Loader
  target: Target
  /** Ranges that the server has for certain. */
  onDurable: (ranges: readonly Range[]) => void
}

const LOOK_MS = 10_000
/** A chunk that arrives damaged, or is refused, this often was not damaged by chance. */
const MAX_DAMAGED = 4
const CHECK = 'Check the memory and the network at the client.'

type Settled = Extract<ChunkVerdict, { act: 'durable' | 'replan' }> | { act: 'resized' }

/** The delivery of one chunk after the other, following the protocol's table of answers. */
export function createDeliver({ api, send, retry, limits, patience, load, target, onDurable }: DeliverDeps): Deliver {
  const { id } = target

  /** Whether a small request gets through at this moment: if not, it is not the size that is minded. */
  const passes = async (signal: AbortSignal): Promise<boolean> => {
    const path = `/jobs/${encodeURIComponent(id)}`
    try {
      await api.once({ what: `look at ${id}`, method: 'GET', path, schema: z.unknown(), signal, limitMs: LOOK_MS })
      return true
    } catch (error) {
      if (error instanceof TransientError) return false
      if (isRefused(error)) return true
      throw error
    }
  }

  /** One range, tried until its verdict is final. Between two tries the buffer is free for others. */
  const settle = async (
    range: Range,
    signal: AbortSignal,
    loaded: Loaded | undefined,
    whole: Sha256 | undefined,
  ): Promise<Settled> => {
    const length = range.end - range.start
    let held = loaded
    let digest = loaded?.digest
    let damaged = 0
    let resets = 0

    const tryOnce = async (): Promise<Settled> => {
      // Another delivery may have learned a limit since the last try.
      if (limits.most(target.chunk) < length) return { act: 'resized' }
      const current = held ?? (await load(range, signal, { expect: digest }))
      const { lane } = current
      held = undefined
      digest = current.digest
      try {
        return toSettled(await send({ range, loaded: current, whole }, signal))
      } catch (error) {
        if (!(error instanceof TransientError)) throw error
        if (error.limited) return { act: 'resized' }
        lane.release()
        if (error.reset) resets = (await passes(signal)) ? resets + 1 : 0
        // A cut on a connection that was used before tells nothing, either way.
        else if (!error.cut) resets = 0
        // Resets can be a proxy's way to say 413; and what a slow line did not carry in the limit, it may carry in halves.
        const tooSlow = error.expired || (error.stalled && patience.exhausted() && (await passes(signal)))
        const resized = tooSlow ? limits.tooLarge(length) : resets >= 2 && limits.suspect(length)
        if (!resized) throw error
        return { act: 'resized' }
      } finally {
        lane.release()
      }
    }

    const damagedOnce = (why: string, code: FailureCode, detail: string): Error => {
      damaged += 1
      return damaged < MAX_DAMAGED
        ? new TransientError(why, { retryAfterMs: 0 })
        : new JobFailure(code, `${describeRange(range)} ${detail}`)
    }

    const toSettled = (verdict: ChunkVerdict): Settled => {
      switch (verdict.act) {
        case 'retry':
          throw new TransientError(verdict.why, { retryAfterMs: verdict.afterMs })
        case 'damaged':
          throw damagedOnce('it arrived damaged', 'damaged', `arrived damaged ${MAX_DAMAGED} times. ${CHECK}`)
        case 'fail':
          // A bit that flips in a header makes a mistake that nobody made.
          throw damagedOnce(verdict.detail, 'io-error', `is refused by the server: ${verdict.detail}`)
        case 'drop':
          throw new JobDropped(verdict.why, verdict)
        case 'cut':
          shrink(length, verdict.allowed)
          return { act: 'resized' }
        default:
          return verdict
      }
    }

    try {
      return await retry.persist(tryOnce, { what: `send ${describeRange(range)}`, signal, urgent: () => true })
    } finally {
      held?.lane.release()
    }
  }

  const describeRange = ({ start, end }: Range): string => `bytes ${start} to ${end - 1} of ${quote(target.path)}`

  const shrink = (length: number, allowed: number | undefined): void => {
    const smaller = allowed === undefined ? limits.tooLarge(length) : limits.limitedTo(allowed, length)
    if (smaller) return
    throw new JobFailure(
      'proxy-limit',
      `Something between the client and the server refuses bodies of ${length} bytes. Raise its limit.`,
    )
  }

  return async (range, signal, { loaded, whole } = {}) => {
    const open: Range[] = [range]
    let held = loaded
    let fruitless = 0
    for (let next = open.shift(); next; next = open.shift()) {
      const length = limits.most(target.chunk)
      if (next.end - next.start > length) {
        held?.lane.release()
        held = undefined
        open.unshift(...pieces(next, length))
        continue
      }
      const verdict = await settle(next, signal, held, whole)
      held = undefined
      if (verdict.act === 'resized') {
        open.unshift(next)
      } else if (verdict.act === 'durable') {
        onDurable([next])
      } else {
        onDurable(verdict.received)
        const left = missing([...verdict.received, { start: 0, end: next.start }], next.end)
        open.unshift(...left)
        if (totalLength(left) < next.end - next.start) continue
        // The server named a conflict and then claims to have nothing of it: something there is still under way.
        await pause(fullJitter(fruitless, { baseMs: 500, capMs: 60_000 }), signal)
        signal.throwIfAborted()
        fruitless += 1
      }
    }
  }
}
