import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../shared/errors.ts'
import { diskNeeds, makeDisk, type Disk } from '../helpers/disk.ts'
import { faketimeLibrary } from '../helpers/faketime.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import type { Running } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'
import { createClock, type FakeClock } from './clock.ts'
import { keep, type Keeper } from './keeper.ts'
import type { FaultName } from './plan/faults.ts'
import type { Plan } from './plan/index.ts'
import { createRandom } from './random.ts'
import { startSite, type Site } from './site.ts'

/** The server, its disk and the clients of a run. */
export interface Stage {
  stack: Stack
  server: Keeper
  serverClock: FakeClock
  /** Where finished files lie. */
  store: string
  database: string
  disk: Disk | undefined
  sites: Site[]
  /** What happened and should not have. */
  incidents: string[]
  /** Every process that ran, in the order of their starts. */
  processes: { name: string; running: Running }[]
  stop(): Promise<void>
}

/** Faults that cannot be made here, with what they need. */
export function impossible(): Map<FaultName, string> {
  const without = new Map<FaultName, string>()
  const lacks = lacking(diskNeeds)
  if (lacks.length > 0) without.set('disk full', lacks.join('; '))
  if (faketimeLibrary() === undefined) {
    for (const name of ['clock of the agent jumps', 'clock of the server jumps'] as const)
      without.set(name, 'needs faketime, not installed here')
  }
  return without
}

const DISK_MARGIN = 700 * 1024 * 1024

/** Starts everything that the plan needs; `stop`, or a failure, leaves nothing behind. */
export async function startStage(plan: Plan): Promise<Stage> {
  const { folder, remove } = await temporaryFolder()
  const closers = [remove]
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close()
  }
  try {
    return { ...(await build(plan, folder, closers)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function build(
  { seed, scale, faults }: Plan,
  folder: string,
  closers: (() => Promise<void>)[],
): Promise<Omit<Stage, 'stop'>> {
  const incidents: string[] = []
  const processes: Stage['processes'] = []
  const incident = (what: string): void => void incidents.push(what)
  const onProcess = (name: string, running: Running): void => void processes.push({ name, running })
  const library = faketimeLibrary()
  const wantsDisk = faults.some(({ name }) => name === 'disk full')
  const disk = wantsDisk ? await makeDisk({ size: scale.bytes + scale.sparse + DISK_MARGIN }) : undefined
  if (disk) closers.push(disk.remove)
  const place = disk?.folder ?? folder
  const [store, database] = [join(place, 'downloads'), join(place, 'data', 'backhaul.db')]
  const serverClock = createClock(join(folder, 'clock-server'), library)

  const env = { STORAGE_URL: `file:${store}`, DATABASE_URL: `sqlite:${database}`, ...serverClock.env }
  const stack = await startStack(env)
  closers.push(stack.stop)
  const begin = async (): Promise<Running> => {
    if (stack.server.child.exitCode !== null || stack.server.child.signalCode !== null) await restart(stack, disk)
    onProcess('server', stack.server)
    return stack.server
  }
  const server = await keep({ name: 'the server', begin, incident })
  closers.push(async () => server.release())

  const random = createRandom(seed + 3)
  const deps = { stack, random, library, incident, onProcess }
  const sites: Site[] = []
  for (let client = 0; client < scale.clients; client += 1) {
    const site = await startSite(client, deps)
    closers.push(site.proxy.close, async () => site.agent.release())
    sites.push(site)
  }
  for (const { id } of sites)
    await until(`${id} to be online`, async () => (await stack.get(`/clients/${id}`))['status'] === 'online')
  return { stack, server, serverClock, store, database, disk, sites, incidents, processes }
}

/** How often, and how many ms apart, a service manager starts a server that says that the disk is full. */
const STARTS = { times: 30, apartMs: 1000 }

async function restart(stack: Stack, disk: Disk | undefined): Promise<void> {
  for (let left = STARTS.times; ; left -= 1) {
    try {
      return await stack.restart()
    } catch (error) {
      if (!disk || left === 0 || !messageOf(error).includes('is full')) throw error
      await delay(STARTS.apartMs)
    }
  }
}
