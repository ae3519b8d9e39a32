import { AppError } from '../../shared/errors.ts'

/** Jobs of one token that wait for one client, at most: somebody who asks without end fills the disk, and keeps out nobody else. */
export const MOST_WAITING = 10_000

export function tooManyWaiting(clientId: string): AppError {
  return new AppError('too-many-waiting', `${MOST_WAITING} downloads wait for ${clientId}; cancel some, or come again.`)
}

export function idempotencyMismatch(): AppError {
  return new AppError('idempotency-mismatch', 'This Idempotency-Key was used for another request; take a new one.', {
    field: 'Idempotency-Key',
  })
}

export function nameTaken(name: string): AppError {
  return new AppError('name-taken', `The name ${name} was given to another download.`)
}
