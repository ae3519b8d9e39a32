import { once } from 'node:events'
import type { Server } from 'node:http'
import { pause } from '../shared/wait.ts'

/** How long requests under way may take to end when the server stops, in ms. */
const GRACE = 5_000

/**
 * Binds the server and sets its limits.
 * @throws Error that names the address, when it cannot be bound
 */
export async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<{ address: string; port: number }> {
  // Uploads and polls are long: bodies have a limit on idleness (body.ts), not on length.
  server.requestTimeout = 0
  server.headersTimeout = 30_000
  // Longer than the balancers' 60 s: they must be the ones to close (else they answer 502).
  server.keepAliveTimeout = 90_000
  const bound = once(server, 'listening')
  server.listen({ host, port })
  try {
    await bound
  } catch (error) {
    throw new Error(`cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error(`cannot listen on ${host}:${port}`)
  return address
}

/** Takes no more connections, lets requests under way end for a bounded time, then closes what is left. */
export async function stopServing(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // Again and again: a connection is idle once its last answer is out.
  const idle = setInterval(() => server.closeIdleConnections(), 100)
  const timer = new AbortController()
  await Promise.race([closed, pause(GRACE, timer.signal)])
  timer.abort()
  clearInterval(idle)
  server.closeAllConnections()
  await closed
}
