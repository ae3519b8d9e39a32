import { AppError } from '../../shared/errors.ts'
import type { SessionRequest } from '../../shared/protocol.ts'
import { fromJson, type Row } from './rows.ts'

/** How many past instances a client's row remembers, so that a late copy of an old request never takes over. */
const PAST_INSTANCES = 32

/**
 * The instances that a client's row is to remember once another one's session has begun.
 * @param row the client's as it is; undefined for a new one
 * @throws AppError `session-superseded`
 */
export function nextInstances(row: Row | undefined, { clientId, instance }: SessionRequest): string[] {
  const past = (fromJson(row?.['past_instances']) ?? []) as string[]
  if (past.includes(instance)) {
    throw new AppError(
      'session-superseded',
      `A newer session of ${clientId} has begun since; begin one with a new instance.`,
    )
  }
  return [...past, instance].slice(-PAST_INSTANCES)
}
