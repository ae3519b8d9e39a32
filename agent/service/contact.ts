import { z } from 'zod'
import { pause } from '../../shared/wait.ts'
import { CONNECTED } from '../standing.ts'
import type { Line, Systemd, UnitState } from './systemd.ts'

/** What the agent says of itself on `GET /status`. */
const statusSchema = z.object({
  clientId: z.string(),
  server: z.string(),
  version: z.string(),
  connected: z.boolean(),
  jobs: z.array(z.unknown()),
})
export type AgentStatus = z.infer<typeof statusSchema>

const ASK_WITHIN_MS = 1000
const LOOK_EVERY_MS = 300
const LINES = 200

/** @param port as in CLIENT_PORT @returns undefined where nothing of this client answers */
export async function askStatus(port: string | undefined, clientId: string): Promise<AgentStatus | undefined> {
  try {
    const signal = AbortSignal.timeout(ASK_WITHIN_MS)
    const response = await fetch(`http://127.0.0.1:${port || '8080'}/status`, { signal })
    const status = statusSchema.parse(await response.json())
    return status.clientId === clientId ? status : undefined
  } catch {
    // There may be none, or something else on that port: the journal tells as well.
    return undefined
  }
}

export interface Contact {
  connected: boolean
  unit: UnitState
  lines: Line[]
}

/** Whether the service runs and has reached its server, as far as it has told. */
export async function lookForContact({
  systemd,
  port,
  clientId,
}: {
  systemd: Systemd
  port: string | undefined
  clientId: string
}): Promise<Contact> {
  const unit = await systemd.state()
  const lines = await systemd.lines(unit.invocation, LINES)
  const status = unit.active === 'active' ? await askStatus(port, clientId) : undefined
  // Not its log: that may tell less, and what it told once may have changed.
  const told = unit.active === 'active' && unit.words.startsWith(CONNECTED)
  return { connected: status?.connected ?? told, unit, lines }
}

/** Waits until the service is connected, has failed, or the time is over. @param withinMs in ms */
export async function waitForContact(deps: Parameters<typeof lookForContact>[0], withinMs: number): Promise<Contact> {
  const until = performance.now() + withinMs
  for (;;) {
    const contact = await lookForContact(deps)
    if (contact.connected || contact.unit.active === 'failed' || performance.now() > until) return contact
    await pause(LOOK_EVERY_MS)
  }
}
