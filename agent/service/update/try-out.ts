import { messageOf } from '../../../shared/errors.ts'
import { pause } from '../../../shared/wait.ts'
import { lookForContact } from '../contact.ts'
import { UNIT } from '../paths.ts'
import type { Systemd } from '../systemd.ts'

export interface TryOut {
  systemd: Systemd
  /** As in CLIENT_PORT. */
  port: string | undefined
  clientId: string
  /** How long it may take to reach its server, in ms. */
  withinMs: number
  /** How long it must stay then, in ms. */
  staysMs: number
}

const LOOK_EVERY_MS = 500
/** So often in a row it may end and be started again. */
const MAX_ENDS = 3

/**
 * Restarts the service, and waits until it has reached its server and stays.
 * @returns why it is not taken to work; undefined when it is
 */
export async function tryOut({ systemd, port, clientId, withinMs, staysMs }: TryOut): Promise<string | undefined> {
  await systemd.control('reset-failed', UNIT).catch(() => undefined)
  const before = (await systemd.state()).restarts
  // A start that fails is told by the state, and tried again by systemd.
  await systemd.control('restart', UNIT).catch(() => undefined)
  let met: { invocation: string; at: number } | undefined
  for (const until = performance.now() + withinMs; ; await pause(LOOK_EVERY_MS)) {
    let unseen = ''
    const contact = await lookForContact({ systemd, port, clientId }).catch((error: unknown) => {
      unseen = messageOf(error)
    })
    if (!contact) {
      // Thrown on, it would be tried again and again, and restarted each time.
      if (performance.now() > until) return `nobody can tell whether it runs: ${unseen}`
      continue
    }
    const { connected, unit } = contact
    const ends = unit.restarts - before
    if (unit.active === 'failed') return `it ended with exit status ${unit.exitStatus} (${unit.result})`
    if (ends >= MAX_ENDS) return `it ended ${ends} times in a row, at last with exit status ${unit.exitStatus}`
    const now = performance.now()
    if (!connected || met?.invocation !== unit.invocation)
      met = connected ? { invocation: unit.invocation, at: now } : undefined
    if (met && now - met.at >= staysMs) return undefined
    if (!met && now > until) return `it did not reach its server within ${Math.round(withinMs / 1000)} s`
  }
}
