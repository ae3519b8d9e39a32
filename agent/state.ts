import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf, systemCode } from '../shared/errors.ts'
import { makeFolder } from '../shared/folder.ts'
import type { Log } from '../shared/log.ts'
import { replaceFile } from '../shared/replace-file.ts'

/** What an agent remembers beyond its own end. Without a folder that can be written it forgets, and works all the same. */
export interface State {
  /** The largest body, in bytes, that the way to this server was found to let through. */
  ceiling(): number | undefined
  rememberCeiling(bytes: number): Promise<void>
  /** How long a poll may stay open on the way to this server, in seconds. */
  wait(): number | undefined
  rememberWait(seconds: number): Promise<void>
  /** Counts a start of a job, on disk before it returns, since it last got on. */
  started(jobId: string): Promise<number>
  /** A started job has so many bytes at the server: when that is not what it was at its last start, it gets on. */
  begun(jobId: string, received: number): Promise<void>
  /** The agent stops in the middle of the job, as it should. */
  parked(jobId: string): Promise<void>
  ended(jobId: string): Promise<void>
  /** Forgets the starts of all other jobs. */
  keepOnly(jobIds: ReadonlySet<string>): Promise<void>
  /** Whether a job was started and has not ended, as far as is known. */
  underWay(): boolean
  /** Resolves when everything so far is on disk, or was found not to get there. */
  flush(): Promise<void>
}

const learnedSchema = z.object({
  ceiling: z.int().min(1).optional(),
  ceilingAt: z.number().optional(),
  wait: z.number().min(1).optional(),
})
const stateSchema = z.object({
  servers: z.record(z.string(), learnedSchema).default({}),
  starts: z.array(z.object({ id: z.string(), count: z.int().min(0), received: z.int().min(0).default(0) })).default([]),
})
type Content = z.infer<typeof stateSchema>

const MAX_STARTS = 100
// A proxy's limit may have been raised since; asking once a week costs one refused chunk.
const CEILING_HOLDS_MS = 7 * 24 * 3600_000

/** Reads `state.json` in `dir`, or begins with nothing. */
export async function openState({ dir, server, log }: { dir: string; server: string; log: Log }): Promise<State> {
  const path = join(dir, 'state.json')
  const content = await load(path, log)
  const learned = (content.servers[server] ??= {})
  let lastWrite: Promise<void> = Promise.resolve()
  let warned = false

  const write = async (): Promise<void> => {
    try {
      await makeFolder(dir, 0o700)
      await replaceFile(path, JSON.stringify(content))
    } catch (error) {
      if (!warned)
        log.warn(
          { dir, error: messageOf(error) },
          'cannot write the state folder; what is learned is lost at the end. Set STATE_DIR',
        )
      warned = true
    }
  }
  const save = (): Promise<void> => (lastWrite = lastWrite.then(write))

  const keep = async (wanted: (id: string) => boolean): Promise<void> => {
    const kept = content.starts.filter(({ id }) => wanted(id))
    if (kept.length === content.starts.length) return
    content.starts = kept
    await save()
  }

  return {
    flush: () => lastWrite,
    ceiling: () => (Math.abs(Date.now() - (learned.ceilingAt ?? 0)) < CEILING_HOLDS_MS ? learned.ceiling : undefined),
    rememberCeiling(bytes) {
      learned.ceiling = bytes
      learned.ceilingAt = Date.now()
      return save()
    },
    wait: () => learned.wait,
    rememberWait(seconds) {
      learned.wait = seconds
      return save()
    },
    async started(jobId) {
      const before = content.starts.find(({ id }) => id === jobId)
      const start = { id: jobId, count: (before?.count ?? 0) + 1, received: before?.received ?? 0 }
      content.starts = [...content.starts.filter((other) => other !== before), start].slice(-MAX_STARTS)
      await save()
      return start.count
    },
    async begun(jobId, received) {
      const start = content.starts.find(({ id }) => id === jobId)
      if (!start || received === start.received) return
      start.count = 1
      start.received = received
      await save()
    },
    async parked(jobId) {
      const start = content.starts.find(({ id }) => id === jobId)
      if (!start || start.count === 0) return
      start.count = 0
      await save()
    },
    ended: (jobId) => keep((id) => id !== jobId),
    keepOnly: (jobIds) => keep((id) => jobIds.has(id)),
    underWay: () => content.starts.length > 0,
  }
}

async function load(path: string, log: Log): Promise<Content> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      log.warn({ path, error: messageOf(error) }, 'cannot read the state file; beginning with a new one')
    return { servers: {}, starts: [] }
  }
}
