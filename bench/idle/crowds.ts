import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { CrowdTask, FromCrowd, Tally, ToCrowd } from './messages.ts'

/** Agents by the thousand, in processes of their own. */
export interface Crowds {
  /** Lets all of them poll in the same moment, where they wait for that. */
  poll(): void
  /** When a job is seen by its agent, as `machineMs`. Rejects after `ms`. */
  seen(id: string, ms: number): Promise<number>
  tally(): Promise<Tally>
  stop(): Promise<void>
}

/** Starts `agents` agents in `processes` processes. @returns once every one of them has a session */
export async function startCrowds(deps: {
  url: string
  agents: number
  processes: number
  together: boolean
  enrolTokens: string[]
}): Promise<Crowds> {
  const { url, agents, processes, together, enrolTokens } = deps
  const waiting = new Map<string, (at: number) => void>()
  /** Seen before somebody asked. */
  const early = new Map<string, number>()
  const tallies = new Map<ChildProcess, (tally: Tally) => void>()

  const heard = (child: ChildProcess, message: FromCrowd): void => {
    if (message.kind === 'tally') return tallies.get(child)?.(message.tally)
    if (message.kind !== 'job') return
    const { id, at } = message
    const tell = waiting.get(id)
    if (tell) tell(at)
    else early.set(id, at)
  }

  const share = Math.ceil(agents / processes)
  const start = async (index: number): Promise<ChildProcess> => {
    const first = index * share
    const task: CrowdTask = { url, first, count: Math.min(share, agents - first), together, enrolTokens }
    const child = fork(new URL('crowd.ts', import.meta.url), [JSON.stringify(task)], {
      execArgv: [],
    })
    const ready = new Promise<void>((resolve, reject) => {
      child.on('message', (message: FromCrowd) => (message.kind === 'ready' ? resolve() : heard(child, message)))
      child.once('exit', () => reject(new Error('a crowd ended early')))
    })
    await ready
    return child
  }
  const children = await Promise.all(Array.from({ length: processes }, (_, index) => start(index)))
  const tellAll = (message: ToCrowd): void => children.forEach((child) => child.send(message))

  return {
    poll: () => tellAll({ kind: 'poll' }),

    seen(id, ms) {
      const before = early.get(id)
      if (before !== undefined) {
        early.delete(id)
        return Promise.resolve(before)
      }
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(new Error(`the job ${id} was not seen within ${ms} ms`))
        }, ms)
        waiting.set(id, (at) => {
          clearTimeout(timer)
          waiting.delete(id)
          resolve(at)
        })
      })
    },

    async tally() {
      const all = Promise.all(children.map((child) => new Promise<Tally>((resolve) => tallies.set(child, resolve))))
      tellAll({ kind: 'tally' })
      return (await all).reduce(added)
    },

    async stop() {
      await Promise.all(
        children.map(async (child) => {
          const ended = once(child, 'exit')
          if (child.exitCode === null) child.kill('SIGKILL')
          await ended
        }),
      )
    },
  }
}

function added(one: Tally, other: Tally): Tally {
  const answers = { ...one.answers }
  for (const [status, count] of Object.entries(other.answers)) answers[status] = (answers[status] ?? 0) + count
  return { answers, held: one.held + other.held, wrong: [...one.wrong, ...other.wrong] }
}
