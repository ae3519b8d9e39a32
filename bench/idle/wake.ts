import type { Crowds } from './crowds.ts'
import { clientId } from './messages.ts'
import type { Operator } from './operator.ts'

/** A job that its agent has not seen by then is lost, in ms. */
const LOST = 60_000

/** Queues a download for one of so many agents, and takes it back. @returns when the agent had the answer, as `machineMs` */
export async function wake({
  operator,
  crowds,
  agents,
}: {
  operator: Operator
  crowds: Crowds
  agents: number
}): Promise<number> {
  const client = clientId(Math.floor(Math.random() * agents))
  const asked = await operator.call('POST', '/downloads', { clientId: client })
  if (asked.status !== 202) throw new Error(`asking was answered ${asked.status}: ${asked.body}`)
  const { id } = JSON.parse(asked.body) as { id: string }
  const seenAt = await crowds.seen(id, LOST)
  await operator.call('DELETE', `/downloads/${id}`)
  return seenAt
}
