import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../shared/errors.ts'
import type { FaultName, FaultPlan } from './plan/faults.ts'
import type { Site } from './site.ts'
import type { Stage } from './stage.ts'

type Do = (fault: FaultPlan, site: Site, stage: Stage) => Promise<void>

/** Each fault, made and ended. */
const deeds: Readonly<Record<FaultName, Do>> = {
  'agent killed': ({ forMs }, { agent }) => agent.restart('SIGKILL', forMs),
  'agent restarted': ({ forMs }, { agent }) => agent.restart('SIGTERM', forMs),
  'agent stopped': ({ forMs }, { agent }) => agent.freeze(forMs),
  'server killed': ({ forMs }, _site, { server }) => server.restart('SIGKILL', forMs),
  'server restarted': ({ forMs }, _site, { server }) => server.restart('SIGTERM', forMs),
  'server stopped': ({ forMs }, _site, { server }) => server.freeze(forMs),
  async 'server and agent killed'({ forMs }, { agent }, { server }) {
    await Promise.all([server.restart('SIGKILL', forMs), agent.restart('SIGKILL', forMs)])
  },
  async 'second agent'({ forMs }, site) {
    const running = site.second()
    await running.line((line) => line['msg'] === 'agent starting')
    await delay(forMs)
    if (running.child.exitCode !== null) throw new Error('it ended by itself')
    await running.kill('SIGKILL')
  },
  'line cut': async (_fault, { proxy }) => proxy.cut(),
  async 'line silent'({ forMs }, { proxy }) {
    proxy.silence()
    await delay(forMs)
    proxy.mend()
  },
  'connections forgotten': async (_fault, { proxy }) => proxy.forget(),
  async 'connections refused'({ forMs }, { proxy }) {
    proxy.refuse()
    await delay(forMs)
    proxy.welcome()
  },
  async 'line slow'({ forMs, amount }, { proxy }) {
    proxy.slow(amount)
    await delay(forMs)
    proxy.slow(Infinity)
  },
  'bits flipped': async ({ amount }, { proxy }) => proxy.damage(amount),
  async 'disk full'({ forMs }, _site, { disk }) {
    await disk?.fill()
    await delay(forMs)
    await disk?.relieve()
  },
  'clock of the agent jumps': async ({ amount }, { clock }) => clock.jump(amount),
  'clock of the server jumps': async ({ amount }, _site, { serverClock }) => serverClock.jump(amount),
}

const ofServer = (name: FaultName): boolean => name.includes('server') && !name.includes('clock')
const ofAgent = (name: FaultName): boolean => name.includes('agent') && !name.includes('clock')

/** Makes the faults as planned, those of one process one after the other. @returns when all are over */
export async function makeFaults(
  faults: readonly FaultPlan[],
  stage: Stage,
  { onFault, signal }: { onFault: (fault: FaultPlan) => void; signal: AbortSignal },
): Promise<void> {
  const startedAt = performance.now()

  /** Never rejects. */
  const makeOne = async (fault: FaultPlan, site: Site, before: Promise<void>[]): Promise<void> => {
    await Promise.all(before)
    onFault(fault)
    try {
      await deeds[fault.name](fault, site, stage)
    } catch (error) {
      stage.incidents.push(`${fault.name}: ${messageOf(error)}`)
    }
  }

  /** What is under way, by the process that it takes away. */
  const busy = new Map<string, Promise<void>>()
  const all: Promise<void>[] = []
  for (const fault of faults) {
    await delay(Math.max(1, fault.atMs - (performance.now() - startedAt)), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
    const site = stage.sites[fault.client]!
    const keys = [...(ofServer(fault.name) ? ['server'] : []), ...(ofAgent(fault.name) ? [site.id] : [])]
    const before = keys.map((key) => busy.get(key) ?? Promise.resolve())
    const done = makeOne(fault, site, before)
    for (const key of keys) busy.set(key, done)
    all.push(done)
  }
  await Promise.all(all)
}
