import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Running } from '../helpers/process.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import type { Stack } from '../helpers/stack.ts'
import { createClock, type FakeClock } from './clock.ts'
import { keep, type Keeper } from './keeper.ts'
import type { Random } from './random.ts'

/** A client: an agent behind a line of its own, with a folder that it shares. */
export interface Site {
  id: string
  folder: string
  proxy: Proxy
  clock: FakeClock
  agent: Keeper
  /** One more agent under the same id, as of a machine that was copied. */
  second(): Running
}

export interface SiteDeps {
  stack: Stack
  random: Random
  /** Of faketime. */
  library: string | undefined
  incident: (what: string) => void
  /** Told of every process, whose output is judged at the end. */
  onProcess: (name: string, running: Running) => void
}

export const siteFolder = (stack: Stack, client: number): string => join(stack.folder, `site-${client}`)

/** A client that is online. */
export async function startSite(client: number, deps: SiteDeps): Promise<Site> {
  const { stack, random, library, incident, onProcess } = deps
  const id = `site-${client}`
  const folder = siteFolder(stack, client)
  await mkdir(folder, { recursive: true })
  const proxy = await startProxy(stack.url, { random: random.next })
  const clock = createClock(join(stack.folder, `clock-${client}`), library)
  const args = ['--server', proxy.url, '--root', folder]

  const begin = async (): Promise<Running> => {
    const running = stack.agent(id, args, clock.env)
    onProcess(id, running)
    await running.line((line) => line['msg'] === 'agent starting')
    return running
  }

  const agent = await keep({ name: `the agent ${id}`, begin, incident })
  return {
    id,
    folder,
    proxy,
    clock,
    agent,
    second() {
      const running = stack.agent(id, [...args, '--state-dir', join(stack.folder, `second-${client}`)], clock.env)
      onProcess(`${id}-second`, running)
      return running
    },
  }
}
