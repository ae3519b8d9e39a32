import type { Proxy } from './proxy.ts'
import type { Json, Stack } from './stack.ts'
import { until } from './until.ts'

/**
 * Asks for a file of a client that is behind the proxy, and holds its upload after `bytes`.
 * @param bytes more than all chunks in flight at once, so that one of them is whole
 * @returns the download's id, once some of it is durable
 */
export async function holdUpload(
  { stack, proxy }: { stack: Stack; proxy: Proxy },
  ask: Json,
  bytes: number,
): Promise<string> {
  proxy.allow(bytes)
  const { id } = await stack.ask(ask)
  await proxy.held()
  await until('some bytes to be durable', async () => (await stack.get(`/downloads/${id}`))['bytesReceived'] > 0)
  return String(id)
}
