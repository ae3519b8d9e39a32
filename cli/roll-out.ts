import { createHash } from 'node:crypto'
import type { Client } from '../shared/operator.ts'

/**
 * A share of the clients that can be updated, one at least: the first so many in the order of their ids' SHA-256. So it
 * is the same with every call, whoever is up to date by then, and a greater share has in it all of a smaller one.
 * @param percent 1 to 100
 */
export function shareOf(clients: readonly Client[], percent: number): Client[] {
  const ranked = clients
    .filter(({ updates }) => updates)
    .map((client) => ({ client, rank: createHash('sha256').update(client.id).digest('hex') }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
  return ranked.slice(0, Math.ceil((ranked.length * percent) / 100)).map(({ client }) => client)
}
