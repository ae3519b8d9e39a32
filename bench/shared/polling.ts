import { startProcess } from '../processes.ts'

/** What a crowd that polls without waiting is started with. */
export interface PollTask {
  /** The servers; agents are dealt out among them. */
  urls: readonly string[]
  agents: number
  seconds: number
}

/**
 * As many polls as are answered, in a process of its own.
 * @param ready called once all agents have a session
 * @returns polls per second
 * @throws Error when one was answered wrongly
 */
export async function pollsPerSecond(task: PollTask, ready?: () => Promise<void>): Promise<number> {
  const child = startProcess([process.execPath, 'bench/shared/poller.ts', JSON.stringify(task)])
  try {
    await child.line(({ msg }) => msg === 'ready')
    await ready?.()
    child.go()
    const { answered, wrong } = (await child.line(({ msg }) => msg === 'polls')) as unknown as {
      answered: number
      wrong: string[]
    }
    if (wrong.length > 0) throw new Error(`polls went wrong: ${wrong.join('; ')}`)
    return answered / task.seconds
  } finally {
    await child.stop()
  }
}
