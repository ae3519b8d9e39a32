import pRetry from 'p-retry'
import type { Client } from '../shared/operator.ts'
import { pause } from '../shared/wait.ts'
import type { Api } from './api.ts'
import { describeUpdate } from './describe.ts'
import { createTrouble } from './follow.ts'
import type { Screen } from './screen.ts'
import { retrying, usualPatience } from './waiting.ts'

/** A client as it was read, and as it came, for `--json`. */
export interface Shown {
  value: Client
  raw: unknown
}

export interface FollowUpdatesOptions {
  api: Api
  screen: Screen
  signal: AbortSignal
  /** With the orders that are followed. */
  clients: readonly Shown[]
  /** How long what is installed must stay so, in ms: a site that goes back tells it only then. */
  settleMs: number
}

/** More than so many are looked at in one list, which is of all clients. */
const ONE_BY_ONE = 10
/** Between two looks at some, and at the list, in ms. */
const EVERY = { some: 1_000, list: 5_000 }

/**
 * Waits until every order is over, and shows each new state. One that is taken back or replaced meanwhile is over, too; that
 * of a site that is offline is not.
 * @returns the clients as they are at the end
 * @throws CliError when the server stays away
 */
export async function followUpdates({
  api,
  screen,
  signal,
  clients,
  settleMs,
}: FollowUpdatesOptions): Promise<Shown[]> {
  const orders = new Map(clients.map(({ value }) => [value.id, value.update?.id]))
  const shown = new Map<string, string>()
  const ended = new Map<string, Shown>()
  const installedAt = new Map<string, number>()
  let hasToldAway = false
  const trouble = createTrouble(screen)
  const retry = {
    ...retrying(usualPatience, signal),
    onFailedAttempt: ({ error }: { error: Error }) => trouble.tell(error),
  }

  const look = async (ids: readonly string[]): Promise<Shown[]> => {
    if (ids.length <= ONE_BY_ONE) return Promise.all(ids.map((id) => api.client(id)))
    return (await listed(api)).filter(({ value }) => ids.includes(value.id))
  }
  const show = (client: Shown): void => {
    const { id, update, status } = client.value
    const isOurs = update !== null && update.id === orders.get(id)
    const text = isOurs ? describeUpdate(update) : 'the order was taken back, or another given'
    if (shown.get(id) !== text) screen.note(`${id}: ${text}${status === 'offline' ? ' (offline)' : ''}`)
    shown.set(id, text)
    if (isOurs && update.state === 'installed' && !installedAt.has(id)) installedAt.set(id, performance.now())
    if (!isOurs || update.state === 'failed' || performance.now() - (installedAt.get(id) ?? Infinity) >= settleMs)
      ended.set(id, client)
  }
  /** Nobody should have to guess why it does not end. */
  const tellAway = (left: readonly Shown[]): void => {
    const isAway = left.length > 0 && left.every(({ value }) => value.status === 'offline')
    if (isAway && !hasToldAway)
      screen.note(
        'Only sites that are offline are left. This ends when they were updated, or the orders are taken back; Ctrl+C ends it now, and what was ordered stands.',
      )
    hasToldAway = isAway
  }

  try {
    for (;;) {
      const open = [...orders.keys()].filter((id) => !ended.has(id))
      if (open.length === 0) return [...ended.values()]
      const looked = await pRetry(() => look(open), retry)
      trouble.over()
      for (const client of looked) show(client)
      tellAway(looked.filter(({ value }) => !ended.has(value.id)))
      if (ended.size < orders.size) await pause(open.length > ONE_BY_ONE ? EVERY.list : EVERY.some, signal)
      signal.throwIfAborted()
    }
  } catch (error) {
    if (signal.aborted) screen.note('What was ordered stands without this program.')
    throw error
  }
}

/** Every client that is known. */
export async function listed(api: Api): Promise<Shown[]> {
  const { value, raw } = await api.clients([['status', 'all']])
  const { clients } = raw as { clients: unknown[] }
  return value.clients.map((client, index) => ({ value: client, raw: clients[index] }))
}
