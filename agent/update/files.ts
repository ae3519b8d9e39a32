import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { systemCode } from '../../shared/errors.ts'
import { versionPattern } from '../../shared/protocol.ts'

// What the agent and root's part tell each other of an update, and where. The agent writes into its own folder, root into root's.

/** In the agent's folder: says that everything lies there. Root takes it for what it is: the word of somebody else. */
export const READY = 'ready'
export const SUMS = 'SHA256SUMS'
export const SIGNATURE = 'SHA256SUMS.sig'

/** Bytes of a list or a signature, at most. */
export const MAX_LIST = 64 * 1024
/** Bytes of a packed executable, at most. */
export const MAX_PACKED = 512 * 1024 * 1024

const version = z.string().regex(versionPattern)

/** An order, as `ready` names it. */
export const readySchema = z.object({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  version,
})
export type Ready = z.infer<typeof readySchema>

/** How an order ended, as root tells the agent. */
export const outcomeSchema = readySchema.extend({
  outcome: z.enum(['installed', 'refused', 'rolled-back']),
  /** Of one that did not succeed: what happened, in a line. */
  detail: z.string().max(1000).optional(),
  at: z.string(),
})
export type Outcome = z.infer<typeof outcomeSchema>

/** What a release calls the executable for a platform, packed. @param platform as Node names it: `linux-x64` */
export function packedName(release: string, platform: string): string {
  return `backhaul-agent-${release}-${platform}.gz`
}

/** The SHA-256 of a file in a list that sha256sum wrote, in hex; undefined when it is not there exactly once. */
export function digestIn(sums: string, name: string): string | undefined {
  const found = sums.split('\n').filter((line) => line.slice(64) === `  ${name}`)
  const digest = found[0]?.slice(0, 64) ?? ''
  return found.length === 1 && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined
}

/** How the last order ended; undefined when none has, or the file is none that we know. */
export async function readOutcome(file: string): Promise<Outcome | undefined> {
  try {
    return outcomeSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    // Written by another version, or not readable in this very moment: as if there were none.
    if (error instanceof z.ZodError || error instanceof SyntaxError) return undefined
    if (['ENOENT', 'EACCES'].includes(systemCode(error) ?? '')) return undefined
    throw error
  }
}
