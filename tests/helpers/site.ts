import { mkdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { writeRandom } from './folder.ts'
import type { Running } from './process.ts'
import { startProxy, type Proxy } from './proxy.ts'
import type { Stack } from './stack.ts'

/** Bytes of a site's chunks. */
export const CHUNK = 64 * 1024

/** Bytes that a site has in flight at most: a chunk on each connection, of which there may be 64 where a line seems long. */
export const MOST_IN_FLIGHT = 64 * CHUNK

/** A client with a folder of its own, behind a line of its own, that sends chunks of 64 KiB. */
export interface Site {
  id: string
  root: string
  proxy: Proxy
  args: string[]
  /** The agent that runs now. */
  agent: Running
}

/** @param more arguments of its agent */
export async function startSite(stack: Stack, id: string, more: readonly string[] = []): Promise<Site> {
  const root = join(stack.folder, id)
  await mkdir(root)
  const proxy = await startProxy(stack.url)
  const args = ['--root', root, '--server', proxy.url, '--chunk-size', String(CHUNK), ...more]
  return { id, root, proxy, args, agent: await stack.online(id, args) }
}

/** Ends the agents in mid-upload; what is on their lines is lost. */
export async function interrupt(sites: readonly Site[]): Promise<void> {
  await Promise.all(sites.map(({ agent }) => agent.kill('SIGKILL')))
  for (const { proxy } of sites) {
    proxy.cut()
    proxy.allow(Infinity)
  }
}

export function goOn(stack: Stack, sites: readonly Site[]): void {
  for (const site of sites) site.agent = stack.agent(site.id, site.args)
}

const longAgo = new Date('2020-01-02T03:04:05Z')

/** Writes random bytes that were modified long ago: nothing but a change makes them suspect. @returns their SHA-256 */
export async function writeOld(file: string, size: number): Promise<string> {
  const sha256 = await writeRandom(file, size)
  await utimes(file, longAgo, longAgo)
  return sha256
}
