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
  /** Makes this secret an admin's, unless it is known. */
  adopt(name: string, secret: string): Promise<void>
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

  return {
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
      const over = token?.expiresAt !== null && (token?.expiresAt ?? 0) <= clock.now()
      return token && token.revokedAt === null && !over ? token : undefined
    },

    async adopt(name, secret) {
      const hash = hashOf(secret)
      if (!(await store.findToken(hash))) await store.addToken(rowOf({ name, role: 'admin' }), hash)
    },
  }
}
