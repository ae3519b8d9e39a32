import { randomUUID } from 'node:crypto'
import { AppError } from '../../../shared/errors.ts'
import type { AccessStore, CredentialRecord, SessionTokenRecord } from '../../access-ports.ts'
import type { Clock, WakeBus } from '../../ports.ts'
import { accessTopic, clientTopic } from '../topics.ts'
import { hashOf, newSecret } from './secrets.ts'

/** How long a session's token holds, in ms by this server's clock; with a poll after half of it comes another. */
export const SESSION_TOKEN_MS = 3600_000

/** Who polls on with the old one gets no more than this: its answer can have been lost, and each is a row. */
const RENEW_EVERY_MS = 60_000

/** What agents prove themselves with, and the tokens that a proof is worth. */
export interface Credentials {
  list(clientId?: string): Promise<CredentialRecord[]>
  /** The credential, if it is in force. */
  find(id: string): Promise<CredentialRecord | undefined>
  /** What its client is known by, whatever it says of itself. */
  labelsOf(id: string): Promise<Record<string, string>>
  findBearer(secret: string): Promise<CredentialRecord | undefined>
  /** A further key of the same client: it takes the place of the others as soon as it was used. @throws AppError `not-permitted`, `key-revoked` */
  rotate(by: { clientId: string; credentialId: string }, publicKey: string): Promise<CredentialRecord>
  /** It works: others of its client that are older are revoked. */
  proven(credential: CredentialRecord): Promise<void>
  /** Ends what is under way with it, at once. @throws AppError `credential-unknown` */
  revoke(id: string): Promise<CredentialRecord>
  /** The same for all of a client, whatever is added meanwhile. @returns how many there were */
  revokeClient(clientId: string): Promise<number>
  /** A token for a session. @returns the secret */
  issue(session: Omit<SessionTokenRecord, 'expiresAt'>): Promise<string>
  /** The token of a secret that is in force. */
  findSession(secret: string): Promise<SessionTokenRecord | undefined>
  /** Another token for the same session, once half of the time of this one is over. */
  renew(secret: string): Promise<string | undefined>
  sweep(): Promise<void>
}

export function createCredentials({
  store,
  wakes,
  clock,
}: {
  store: AccessStore
  wakes: WakeBus
  clock: Clock
}): Credentials {
  const inForce = (credential: CredentialRecord | undefined): CredentialRecord | undefined =>
    credential?.revokedAt === null ? credential : undefined

  /** What is under way with credentials that are no more. */
  const end = (clientId: string, ids: readonly string[]): void => {
    if (ids.length > 0) wakes.wake([...ids.map(accessTopic), clientTopic(clientId)])
  }

  const issue: Credentials['issue'] = async (session) => {
    const { secret, hash } = newSecret('session')
    await store.addSessionToken({ ...session, expiresAt: clock.now() + SESSION_TOKEN_MS }, hash)
    return secret
  }

  const findSession: Credentials['findSession'] = async (secret) => {
    const token = await store.findSessionToken(hashOf(secret))
    return token && token.expiresAt > clock.now() ? token : undefined
  }

  return {
    issue,
    findSession,
    list: (clientId) => store.listCredentials(clientId),
    labelsOf: (id) => store.labelsOf(id),
    find: async (id) => inForce(await store.findCredential(id)),
    findBearer: async (secret) => inForce(await store.findBearer(hashOf(secret))),

    async rotate({ clientId, credentialId }, publicKey) {
      const credential: CredentialRecord = {
        id: randomUUID(),
        clientId,
        publicKey,
        enrolmentId: null,
        createdAt: clock.now(),
        provenAt: null,
        revokedAt: null,
      }
      const added = await store.addNextCredential(credential, credentialId)
      if (added === 'refused') throw new AppError('not-permitted', 'The credential that proves this site was revoked.')
      if (added === 'revoked')
        throw new AppError('key-revoked', `This key of ${clientId} was revoked, and stays so; make another.`)
      return added
    },

    async proven(credential) {
      if (credential.provenAt !== null) return
      end(credential.clientId, await store.proveCredential(credential.id, clock.now()))
    },

    async revoke(id) {
      const credential = await store.findCredential(id)
      if (!credential || !(await store.revokeCredential(id, clock.now()))) {
        const detail = `There is no credential "${id.slice(0, 64)}" in force; GET /credentials lists them.`
        throw new AppError('credential-unknown', detail)
      }
      end(credential.clientId, [id])
      return credential
    },

    async revokeClient(clientId) {
      const ids = await store.revokeClient(clientId, clock.now())
      if (ids.length === 0) throw new AppError('credential-unknown', `${clientId} has no credential in force.`)
      end(clientId, ids)
      return ids.length
    },

    async renew(secret) {
      const token = await findSession(secret)
      if (!token || token.expiresAt - clock.now() > SESSION_TOKEN_MS / 2) return undefined
      const { clientId, session, credentialId } = token
      const given = ((await store.lastEnd(token)) ?? 0) - SESSION_TOKEN_MS
      if (clock.now() - given < RENEW_EVERY_MS) return undefined
      return issue({ clientId, session, credentialId })
    },

    sweep: () => store.forgetSessionTokens(clock.now()),
  }
}
