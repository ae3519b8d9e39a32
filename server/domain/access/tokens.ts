import { randomUUID } from 'node:crypto'
import type { TokenRequest } from '../../../shared/access.ts'
import { AppError } from '../../../shared/errors.ts'
import type { AccessStore, TokenRecord } from '../../access-ports.ts'
import type { Clock, WakeBus } from '../../ports.ts'
import { accessTopic } from '../topics.ts'
import { hashOf, newSecret } from './secrets.ts'

/** The tokens of operators. */
export interface Tokens {
  /** @returns the token's row, and the secret, which is told this once */
  create(request: TokenRequest): Promise<{ token: TokenRecord; secret: string }>
  list(): Promise<TokenRecord[]>
  /** @throws AppError `token-unknown` */
  revoke(id: string): Promise<void>
  /** The row of a secret that is in force. */
  find(secret: string): Promise<TokenRecord | undefined>
  /**
   * Makes this secret an admin's, in place of whatever had the name. One that was revoked stays so, and takes nobody's place.
   * @returns whether it is an admin's now
   */
  adopt(name: string, secret: string): Promise<boolean>
  /** Revokes whatever has this name. */
  giveUp(name: string): Promise<void>
  /** Whether there is an admin's token in force. */
  hasAdmin(): Promise<boolean>
}

export function createTokens({ store, wakes, clock }: { store: AccessStore; wakes: WakeBus; clock: Clock }): Tokens {
  const rowOf = (request: TokenRequest): TokenRecord => ({
    id: randomUUID(),
    name: request.name,
    role: request.role,
    content: request.content ?? request.role !== 'reader',
    clients: request.clients ?? null,
    paths: request.paths ?? null,
    createdAt: clock.now(),
    expiresAt: request.expiresIn === undefined ? null : clock.now() + request.expiresIn * 1000,
    revokedAt: null,
  })

  const inForce = ({ expiresAt, revokedAt }: TokenRecord): boolean =>
    revokedAt === null && (expiresAt === null || expiresAt > clock.now())

  const isAdmin = (token: TokenRecord): boolean => token.role === 'admin' && inForce(token)

  return {
    async giveUp(name) {
      for (const { id, name: given, revokedAt } of await store.listTokens()) {
        if (given === name && revokedAt === null) await store.revokeToken(id, clock.now())
      }
    },

    hasAdmin: async () => (await store.listTokens()).some(isAdmin),

    async create(request) {
      const { secret, hash } = newSecret('operator')
      const token = rowOf(request)
      await store.addToken(token, hash)
      return { token, secret }
    },

    list: () => store.listTokens(),

    async revoke(id) {
      if (await store.revokeToken(id, clock.now())) return wakes.wake([accessTopic(id)])
      throw new AppError('token-unknown', `There is no token "${id.slice(0, 64)}" in force; GET /tokens lists them.`)
    },

    async find(secret) {
      const token = await store.findToken(hashOf(secret))
      return token && inForce(token) ? token : undefined
    },

    async adopt(name, secret) {
      const hash = hashOf(secret)
      const known = await store.findToken(hash)
      if (known && !isAdmin(known)) return false
      await store.replaceToken(rowOf({ name, role: 'admin' }), hash)
      // Another server may have been told another one, and have been faster.
      const adopted = await store.findToken(hash)
      return adopted !== undefined && isAdmin(adopted)
    },
  }
}
