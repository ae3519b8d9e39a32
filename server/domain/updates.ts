import { randomUUID } from 'node:crypto'
import { AppError, messageOf } from '../../shared/errors.ts'
import { finalUpdateStates, updateOrderStates, type UpdateState } from '../../shared/operator.ts'
import type { UpdateOrder, UpdateReport } from '../../shared/protocol.ts'
import { isNewer } from '../../shared/version-order.ts'
import type { ClientRecord, Clock, JobStore, Observer, UpdateChange, WakeBus } from '../ports.ts'
import type { ReleaseStore, UpdateRecord } from '../update-ports.ts'
import { checkSession, unknownClient } from './guards.ts'
import { clientTopic } from './topics.ts'

/** What is fetched is installed within minutes: after this time, in ms, nobody is about to. */
const LEFT_LYING = 3_600_000

/** What this server's release has, as it was when it was looked at. */
export interface Release {
  /** Whether an agent is older than it. */
  isOutdated(agent: { version: string; platform: string } | null): boolean
}

export interface Updates {
  release(): Promise<Release>
  /** How many clients have an agent that is older than the release. */
  countOutdated(): Promise<number>
  /**
   * Orders that a client becomes the version of the release. One that is under way for that version stays as it is.
   * @throws AppError `client-unknown`, `update-unsupported`, `release-unknown`, `up-to-date`
   */
  order(clientId: string): Promise<ClientRecord>
  /** @throws AppError `client-unknown`, `update-unknown`, `already-fetched`, `already-finished` */
  takeBack(clientId: string): Promise<ClientRecord>
  /** Notes what an agent tells of an order. @throws AppError `update-unknown` and those of checkSession */
  report(clientId: string, session: string, report: UpdateReport): Promise<void>
}

export interface UpdatesDeps {
  jobs: JobStore
  releases: ReleaseStore
  wakes: WakeBus
  observer: Observer
  clock: Clock
  report: (error: unknown, what: string) => void
}

export function createUpdates({ jobs, releases, wakes, observer, clock, report }: UpdatesDeps): Updates {
  let lastFailure = ''

  /** What cannot be read keeps nobody from looking at clients; it is told once. */
  const versions = async (): Promise<ReadonlyMap<string, string>> => {
    try {
      const found = await releases.versions()
      lastFailure = ''
      return found
    } catch (error) {
      if (messageOf(error) !== lastFailure) report(error, 'the release cannot be read: no client counts as old')
      lastFailure = messageOf(error)
      return new Map()
    }
  }

  const release = async (): Promise<Release> => {
    const known = await versions()
    // A platform that it has nothing for can be older than what it has.
    const newest = [...known.values()].reduce((one, other) => (isNewer(other, one) ? other : one), '0.0.0-0')
    return {
      isOutdated: (agent) => agent !== null && isNewer(known.get(agent.platform) ?? newest, agent.version),
    }
  }

  const change = async (clientId: string, next: UpdateChange): Promise<ClientRecord> => {
    let hasChanged = false
    const client = await jobs.changeUpdate(clientId, (before) => {
      const update = next(before)
      hasChanged = update !== undefined
      return update
    })
    if (!client) throw unknownClient(clientId)
    if (!hasChanged) return client
    observer.updated(clientId, client.update)
    wakes.wake([clientTopic(clientId)])
    return client
  }

  return {
    release,

    async countOutdated() {
      const { isOutdated } = await release()
      const agents = await jobs.countAgents()
      return agents.filter(isOutdated).reduce((sum, { count }) => sum + count, 0)
    },

    async order(clientId) {
      const known = await versions()
      return change(clientId, (client) => {
        const version = versionFor(client, known)
        if (client.update?.version === version && !isOver(client.update)) return undefined
        const now = clock.now()
        return { id: randomUUID(), version, state: 'ordered', detail: null, orderedAt: now, changedAt: now }
      })
    },

    takeBack: (clientId) =>
      change(clientId, ({ update }) => {
        if (!update) throw new AppError('update-unknown', `No update of ${clientId} was ordered.`)
        checkTakeBack(clientId, update, clock.now())
        return null
      }),

    async report(clientId, session, { id, state, detail = null }) {
      await change(clientId, (client) => {
        checkSession(client.session, session)
        const { update } = client
        // One that is installed can still be rolled back.
        const isKnown = update?.id === id && (!isOver(update) || state === update.state || state === 'failed')
        if (!isKnown) throw new AppError('update-unknown', `No such update of ${clientId} is under way; drop it.`)
        if (rank(state) <= rank(update.state)) return undefined
        return { ...update, state, detail: state === 'failed' ? detail : null, changedAt: clock.now() }
      })
    },
  }
}

/** What a client's agent is told: nothing, once the order is over, or when it is no agent that could be updated. */
export function toldOrder({ agent, update }: ClientRecord): UpdateOrder | undefined {
  if (!agent?.updates || !update || isOver(update)) return undefined
  return { id: update.id, version: update.version }
}

const isOver = ({ state }: UpdateRecord): boolean => finalUpdateStates.includes(state)
const rank = (state: UpdateState): number => updateOrderStates.indexOf(state)

/** @throws AppError `update-unsupported`, `release-unknown`, `up-to-date` */
function versionFor({ id, agent }: ClientRecord, known: ReadonlyMap<string, string>): string {
  if (!agent?.updates) {
    throw new AppError(
      'update-unsupported',
      `${id} cannot be updated from here: update it as it was installed, as a package, an image or sources, or with install.sh, whose agents can be from then on, where their site allows it.`,
    )
  }
  const version = known.get(agent.platform)
  if (version === undefined) {
    throw new AppError(
      'release-unknown',
      `This server has no release for ${agent.platform}, which ${id} runs on; npm run build:agent makes one, and RELEASES names its folder.`,
    )
  }
  if (isNewer(version, agent.version)) return version
  throw new AppError('up-to-date', `${id} has the version ${agent.version}, and the release ${version} is not newer.`)
}

/** @throws AppError `already-fetched`, `already-finished` */
function checkTakeBack(clientId: string, { version, state, changedAt }: UpdateRecord, now: number): void {
  if (finalUpdateStates.includes(state))
    throw new AppError('already-finished', `The update of ${clientId} to ${version} is over: ${state}.`)
  if (state !== 'fetched' || now - changedAt > LEFT_LYING) return
  throw new AppError(
    'already-fetched',
    `${clientId} has fetched ${version}, and installs it by itself; what has not happened within an hour can be taken back.`,
  )
}
