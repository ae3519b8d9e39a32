import { randomUUID } from 'node:crypto'
import type { CredentialRequest, EnrolmentRequest } from '../../../shared/access.ts'
import { AppError } from '../../../shared/errors.ts'
import type { AccessStore, CredentialRecord, EnrolmentRecord } from '../../access-ports.ts'
import type { Clock } from '../../ports.ts'
import { matchesClient } from './principal.ts'
import { hashOf, newSecret } from './secrets.ts'

/** What the ids of those begin with that the environment tells. */
const OF_ENVIRONMENT = 'ENROL_TOKEN-'
/** Digits of the hash in such an id: one token has one id. */
const DIGITS = 16
const MOST_USES = 100_000
/** Such a token ends with its place in the environment, not by time, in ms. */
const LONGEST = 100 * 365 * 24 * 3600_000

/** What an operator hands to a site, so that its agent gets a credential of its own. */
export interface Enrolments {
  /** @returns the enrolment's row, and the secret, which is told this once */
  create(request: EnrolmentRequest): Promise<{ enrolment: EnrolmentRecord; secret: string }>
  list(): Promise<EnrolmentRecord[]>
  /** @throws AppError `token-unknown` */
  revoke(id: string): Promise<void>
  /**
   * Makes this secret an enrolment for `clients`, in place of others that came from the environment. One that was revoked
   * stays so, and takes nobody's place; one that an admin made stays what it is.
   * @returns whether it is in force
   */
  adopt(secret: string, clients: string): Promise<boolean>
  /** Revokes what came from the environment. */
  giveUp(): Promise<void>
  /** The row of a secret that is in force, used up or not. */
  find(secret: string): Promise<EnrolmentRecord | undefined>
  /**
   * Trades one use for a credential. The same key gets its credential again: an answer can be lost.
   * @returns the credential, and the bearer's secret where no key was given, which is told this once
   * @throws AppError `not-permitted` for an id that it is not for, `enrolment-spent`, `key-revoked`
   */
  enrol(
    enrolment: EnrolmentRecord,
    request: CredentialRequest,
  ): Promise<{ credential: CredentialRecord; secret: string | undefined }>
}

export function createEnrolments({ store, clock }: { store: AccessStore; clock: Clock }): Enrolments {
  const inForce = ({ revokedAt, expiresAt }: EnrolmentRecord): boolean => revokedAt === null && expiresAt > clock.now()

  const giveUp = async (except?: string): Promise<void> => {
    for (const { id, revokedAt } of await store.listEnrolments()) {
      if (isOfEnvironment(id) && id !== except && revokedAt === null) await store.revokeEnrolment(id, clock.now())
    }
  }

  return {
    giveUp: () => giveUp(),

    async adopt(secret, clients) {
      const hash = hashOf(secret)
      const id = `${OF_ENVIRONMENT}${hash.slice(0, DIGITS)}`
      const known = await store.findEnrolment(hash)
      if (known && !inForce(known)) return false
      const createdAt = clock.now()
      const expiresAt = createdAt + LONGEST
      const enrolment = { id, clients, labels: {}, usesLeft: MOST_USES, createdAt, expiresAt, revokedAt: null }
      if (!known) await store.addEnrolment(enrolment, hash)
      else if (known.id === id) await store.setEnrolmentClients(id, clients)
      await giveUp(id)
      return true
    },

    async create({ clients, uses, expiresIn, labels }) {
      const { secret, hash } = newSecret('enrolment')
      const createdAt = clock.now()
      const enrolment: EnrolmentRecord = {
        id: randomUUID(),
        clients,
        labels,
        usesLeft: uses,
        createdAt,
        expiresAt: createdAt + expiresIn * 1000,
        revokedAt: null,
      }
      await store.addEnrolment(enrolment, hash)
      return { enrolment, secret }
    },

    list: () => store.listEnrolments(),

    async revoke(id) {
      if (await store.revokeEnrolment(id, clock.now())) return
      const detail = `There is no enrolment "${id.slice(0, 64)}" in force; GET /enrolments lists them.`
      throw new AppError('token-unknown', detail)
    },

    async find(secret) {
      const enrolment = await store.findEnrolment(hashOf(secret))
      return enrolment && inForce(enrolment) ? enrolment : undefined
    },

    async enrol(enrolment, { clientId, publicKey }) {
      if (!matchesClient(enrolment.clients, clientId)) {
        const detail = `This enrolment token is for "${enrolment.clients}", not for ${clientId}.`
        throw new AppError('not-permitted', detail)
      }
      const bearer = publicKey === undefined ? newSecret('bearer') : undefined
      const credential: CredentialRecord = {
        id: randomUUID(),
        clientId,
        publicKey: publicKey ?? null,
        enrolmentId: enrolment.id,
        createdAt: clock.now(),
        provenAt: null,
        revokedAt: null,
      }
      // What is for many sites is known at many, and what the environment tells stays: nobody may take another's place by it.
      const mayReplace = !enrolment.clients.includes('*') && !isOfEnvironment(enrolment.id)
      const by = { enrolmentId: enrolment.id, mayReplace }
      const enrolled = await store.enrol(by, credential, bearer?.hash ?? null)
      if (enrolled === 'spent')
        throw new AppError('enrolment-spent', 'This enrolment token was used as often as it may be; ask for a new one.')
      if (enrolled === 'revoked')
        throw new AppError('key-revoked', `This key of ${clientId} was revoked, and stays so; make another.`)
      if (enrolled === 'refused') {
        const detail = `${clientId} has a credential: revoke it, or enrol "${clientId}" by its own name.`
        throw new AppError('not-permitted', detail)
      }
      return { credential: enrolled, secret: bearer?.secret }
    },
  }
}

const isOfEnvironment = (id: string): boolean => id.startsWith(OF_ENVIRONMENT)
