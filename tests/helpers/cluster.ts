import { sharedStores, type SharedStores } from './shared-stores.ts'
import { startStack, type Stack } from './stack.ts'

/** Several servers on the same database and bucket, each on a port and with a folder of its own. */
export interface Cluster {
  servers: [Stack, Stack, Stack]
  stores: SharedStores
  /** Ends the servers, and removes the stores. */
  stop(): Promise<void>
}

export interface ClusterOptions {
  env?: Record<string, string>
  /** What the third server has otherwise, as an address that leads through a proxy. */
  third?: Record<string, string>
  /** By default fresh ones. */
  stores?: SharedStores
}

/** Three servers, started at the same time. */
export async function startCluster({ env = {}, third = {}, stores }: ClusterOptions = {}): Promise<Cluster> {
  const shared = stores ?? (await sharedStores())
  const servers = await Promise.all([
    startStack(env, { stores: shared }),
    startStack(env, { stores: shared }),
    startStack({ ...env, ...third }, { stores: shared }),
  ])
  return {
    servers,
    stores: shared,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()))
      await shared.remove()
    },
  }
}
