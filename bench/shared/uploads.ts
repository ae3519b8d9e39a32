import { startProcess, type Line } from '../processes.ts'

/** What an uploader is started with. */
export interface UploadTask {
  /** The servers; a file's chunks go to all of them in turn. */
  urls: readonly string[]
  files: number
  /** Bytes of each file: a number of whole chunks. */
  size: number
  /** Bytes of a chunk. */
  chunk: number
  connections: number
  /** Whether the files are completed after all chunks are durable. */
  complete: boolean
}

/** What one step of it took. */
export interface Step {
  seconds: number
  /** Processor seconds of the uploader itself. */
  cpu: number
  /** How often a server had no time, and was asked again. */
  again: number
}

export interface Uploader {
  /** Sends all chunks. @returns once all of them are acknowledged, which means durable */
  send(): Promise<Step>
  /** Has the servers verify and complete all files. */
  complete(): Promise<Step>
  stop(): Promise<void>
}

/** An uploader in a process of its own. @returns once all files have begun */
export async function startUploader(task: UploadTask): Promise<Uploader> {
  const child = startProcess([process.execPath, 'bench/shared/uploader.ts', JSON.stringify(task)])
  const said = (msg: string): Promise<Line> => child.line((line) => line['msg'] === msg)
  const step = (msg: string) => async (): Promise<Step> => {
    child.go()
    return (await said(msg)) as unknown as Step
  }
  try {
    await said('ready')
  } catch (error) {
    await child.stop()
    throw error
  }
  return { send: step('durable'), complete: step('completed'), stop: () => child.stop() }
}

/** Uploads once before anything is measured: a server that has just started has not its speed yet. */
export async function warmUp(task: Omit<UploadTask, 'complete'>): Promise<void> {
  const uploader = await startUploader({ ...task, complete: true })
  try {
    await uploader.send()
    await uploader.complete()
  } finally {
    await uploader.stop()
  }
}

/** An uploader that has nothing left of a core holds up what is measured. */
export const FULL = 0.9

/** How much of one core a step's uploader used. */
export const loadOf = ({ cpu, seconds }: Step): number => cpu / seconds
