import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf, systemCode } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'

/** What an agent remembers beyond its own end. Without a folder that can be written it forgets, and works all the same. */
export interface State {
  /** The largest body, in bytes, that the way to this server was found to let through. */
  ceiling(): number | undefined
  rememberCeiling(bytes: number): Promise<void>
  /** How long a poll may stay open on the way to this server, in seconds. */
  wait(): number | undefined
  rememberWait(seconds: number): Promise<void>
  /** Counts a start of a job, on disk before it returns. The count goes back to nothing with `ended`. */
  started(jobId: string): Promise<number>
  /**
   * What the server has of a started job, as one text. Another than at an earlier start, and the count begins again:
   * an agent that was killed before it heard of its bytes has got on all the same.
   */
  reached(jobId: string, mark: string): Promise<void>
  ended(jobId: string): Promise<void>
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
  starts: z.array(z.object({ id: z.string(), count: z.int().min(1), mark: z.string().optional() })).default([]),
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
      await mkdir(dir, { recursive: true, mode: 0o700 })
      await replace(path, JSON.stringify(content))
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
      const count = (before?.count ?? 0) + 1
      const rest = content.starts.filter(({ id }) => id !== jobId)
      content.starts = [...rest, { ...before, id: jobId, count }].slice(-MAX_STARTS)
      await save()
      return count
    },
    async reached(jobId, mark) {
      const entry = content.starts.find(({ id }) => id === jobId)
      if (!entry || entry.mark === mark) return
      if (entry.mark !== undefined) entry.count = 1
      entry.mark = mark
      await save()
    },
    async ended(jobId) {
      const rest = content.starts.filter(({ id }) => id !== jobId)
      if (rest.length === content.starts.length) return
      content.starts = rest
      await save()
    },
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

/** Replaces a file so that a reader after any crash finds the old content or the new, whole. */
async function replace(path: string, text: string): Promise<void> {
  const unfinished = `${path}.new`
  const file = await open(unfinished, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(unfinished, path)
}
