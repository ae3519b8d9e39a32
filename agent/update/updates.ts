import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/format.ts'
import type { Log } from '../../shared/log.ts'
import type { UpdateOrder, UpdateReport } from '../../shared/protocol.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { pause } from '../../shared/wait.ts'
import { isRefused, type Api } from '../api.ts'
import { UpdateFailure } from './failure.ts'
import type { FetchDeps } from './fetch.ts'
import { READY, readOutcome, type Outcome } from './files.ts'
import { stage } from './stage.ts'

export interface Updates {
  /** What the server orders now, if anything. */
  reconcile(order: UpdateOrder | undefined): void
  /** Ends what is under way; what was fetched stays. Never throws. */
  stop(): Promise<void>
}

export interface UpdatesDeps extends FetchDeps {
  api: Api
  log: Log
  clientId: string
  version: string
  platform: string
  /** The agent's folder for updates. */
  dir: string
  /** Where root's part says how an order ended; undefined where this agent is not updated from here. */
  outcomeFile: string | undefined
}

/** As long as all tries to fetch may take, in ms. */
const FETCH_WITHIN_MS = 24 * 3600_000
/** How often to look for what root's part says, and to tell it again, in ms: it hears nothing while it is at work. */
const LOOK_EVERY_MS = 1000
const TELL_EVERY_MS = 30_000
const TELL_TIMES = 20

/**
 * Orders of one session. The agent fetches and tells; what becomes of it is the business of root's part
 * (agent/service/update), which believes it nothing.
 */
export function createUpdates(deps: UpdatesDeps): Updates {
  const { api, log, clientId, version, dir, outcomeFile } = deps
  let current: { id: string; abort: AbortController; ended: Promise<void> } | undefined
  let clean = false
  const stopping = new AbortController()

  const report = async (id: string, state: UpdateReport['state'], detail: string | undefined, signal: AbortSignal) => {
    await api.call({
      what: `report the update ${id}`,
      method: 'POST',
      path: `/updates/${encodeURIComponent(id)}?client=${clientId}`,
      json: { id, state, ...(detail === undefined ? {} : { detail }) },
      schema: z.unknown(),
      signal,
    })
  }

  /** Waits for what root's part says of an order. @throws UpdateFailure when it says nothing, the signal's reason */
  const outcomeOf = async (
    { id, version: wanted }: UpdateOrder,
    file: string,
    signal: AbortSignal,
  ): Promise<Outcome> => {
    for (let told = 0; told < TELL_TIMES; told += 1) {
      await replaceFile(join(dir, READY), JSON.stringify({ id, version: wanted }))
      for (const until = performance.now() + TELL_EVERY_MS; performance.now() < until;) {
        const outcome = await readOutcome(file)
        if (outcome?.id === id) return outcome
        await pause(LOOK_EVERY_MS, signal)
        signal.throwIfAborted()
      }
    }
    throw new UpdateFailure(
      'the update was fetched, and nothing installs it: systemctl status backhaul-agent-update.path backhaul-agent-update at the site tells why',
    )
  }

  /** @throws UpdateFailure, Refused, the signal's reason, what the system says */
  const carryOut = async (order: UpdateOrder, file: string, signal: AbortSignal): Promise<void> => {
    const { id, version: wanted } = order
    if (wanted === version) return report(id, 'installed', undefined, signal)
    const known = await readOutcome(file)
    if (known?.id !== id) {
      log.info({ version: wanted }, 'an update is ordered: fetching it')
      await report(id, 'fetching', undefined, signal)
      const late = AbortSignal.timeout(FETCH_WITHIN_MS)
      await stage(order, deps, AbortSignal.any([signal, late])).catch((error: unknown) => {
        if (!late.aborted || signal.aborted) throw error
        throw new UpdateFailure('the update could not be fetched within 24 hours; order it again')
      })
      log.info({ version: wanted }, 'the update is fetched, and waits to be installed')
      await report(id, 'fetched', undefined, signal)
    }
    const { outcome, detail } = known?.id === id ? known : await outcomeOf(order, file, signal)
    if (outcome !== 'installed') throw new UpdateFailure(detail ?? `the update was ${outcome}`)
  }

  /** Never throws. */
  const lifeOf = async (order: UpdateOrder, signal: AbortSignal): Promise<void> => {
    try {
      if (outcomeFile === undefined)
        throw new UpdateFailure(
          'this agent is not updated from the server: it was not installed by install.sh, or the site does not want it',
        )
      await carryOut(order, outcomeFile, signal)
    } catch (error) {
      if (signal.aborted) return
      if (isRefused(error)) {
        log.warn(`the server has no use for the update: ${printable(error.message)}`)
        return
      }
      const detail =
        error instanceof UpdateFailure ? error.message : `the agent could not go on: ${printable(messageOf(error))}`
      log.error({ version: order.version }, `no update: ${detail}`)
      await report(order.id, 'failed', detail, signal).catch((refused: unknown) => {
        if (!signal.aborted) log.warn(`cannot report the end of the update: ${printable(messageOf(refused))}`)
      })
    }
  }

  /** What comes beside an order; no reason to end. */
  const quietly = async (work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => {
      if (!stopping.signal.aborted && !isRefused(error)) log.warn(`of an update: ${printable(messageOf(error))}`)
    })
  }

  /**
   * A version that began a session and was taken back all the same: for the server the order has ended well, and is listed no
   * more. It takes that word again as often as it is said; who runs that version after all, by hand, has nothing to say.
   */
  const tellRollBack = async (): Promise<void> => {
    const last = outcomeFile === undefined ? undefined : await readOutcome(outcomeFile)
    if (last?.outcome === 'rolled-back' && last.version !== version)
      await report(last.id, 'failed', last.detail, stopping.signal)
  }

  const end = (): void => {
    if (!current) return
    current.abort.abort(new Error('the order is over, or the session is'))
    before = current.ended
    current = undefined
  }

  let before = quietly(tellRollBack)

  return {
    reconcile(order) {
      if (order && order.id === current?.id) return
      end()
      if (order) {
        clean = false
        const abort = new AbortController()
        const ended = before.then(() => lifeOf(order, abort.signal))
        current = { id: order.id, abort, ended }
      } else if (!clean) {
        clean = true
        // What cannot be removed now will be with the next order.
        before = before.then(() => quietly(() => rm(dir, { recursive: true, force: true })))
      }
    },
    async stop() {
      stopping.abort(new Error('the session is over'))
      end()
      await before
    },
  }
}
