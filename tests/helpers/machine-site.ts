import { join } from 'node:path'
import { ADMIN, bearer } from './admin.ts'
import { run } from './commands.ts'
import { temporaryFolder, writeRandom } from './folder.ts'
import { startMachine, type Machine } from './machine.ts'
import { startProxy } from './proxy.ts'
import { startStack, type Json, type Stack } from './stack.ts'
import { until } from './until.ts'

/** What the machine shares in these tests. */
export const POS = '/var/log/pos'

/** A machine that restarts takes its time, in ms. */
const PATIENCE_MS = 120_000

/** A server that has a release, a machine without Node that knows nothing of it yet, and the line between them. */
export interface MachineSite {
  /** Where the release lies, and the key that it was signed with. */
  dist: string
  key: string
  stack: Stack
  machine: Machine
  line: Awaited<ReturnType<typeof startProxy>>
  /** @returns a token that a client is enrolled with, once */
  enrolment(clientId: string): Promise<string>
  /** Runs the one line of the documentation. @returns what it said */
  install(clientId: string, ...flags: string[]): Promise<string>
  /** Puts a random file of so many bytes to what is shared. @returns its SHA-256 */
  write(name: string, bytes: number): Promise<string>
  /** Asks for a file of what is shared. @returns the download's id */
  ask(clientId: string, name: string): Promise<string>
  /** Waits until a download has ended, however. */
  ended(id: string): Promise<Json>
  /** Waits until a download has more than so many bytes. */
  received(id: string, bytes: number): Promise<void>
  close(): Promise<void>
}

export async function startMachineSite(): Promise<MachineSite> {
  const place = await temporaryFolder()
  const dist = join(place.folder, 'dist')
  const key = join(place.folder, 'release.key')
  await run('npm', 'run', '-s', 'build:agent', '--', '--platform', 'linux-x64', '--to', dist, '--key', key)
  const stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, RELEASES: dist })
  const line = await startProxy(stack.url)
  const machine = await startMachine()
  await machine.run('mkdir', '-p', POS)

  const site: MachineSite = {
    dist,
    key,
    stack,
    machine,
    line,
    async enrolment(clientId) {
      return (await stack.post('/enrolments', { clients: clientId }, bearer(ADMIN))).body.secret
    },
    async install(clientId, ...flags) {
      const given = ['--enrol', await site.enrolment(clientId), '--root', POS, '--id', clientId, ...flags]
      return machine.run('sh', '-c', `curl -fsSL ${line.url}/install.sh | sh -s -- ${given.join(' ')}`)
    },
    async write(name, bytes) {
      const file = join(place.folder, name.replaceAll('/', '_'))
      const sha256 = await writeRandom(file, bytes)
      await machine.give(file, `${POS}/${name}`)
      return sha256
    },
    async ask(clientId, name) {
      return String((await stack.ask({ clientId, path: `${POS}/${name}` }))['id'])
    },
    ended: (id) => stack.ended(id, PATIENCE_MS),
    async received(id, bytes) {
      await until(
        `${id} to have ${bytes} bytes`,
        async () => Number((await stack.get(`/downloads/${id}`))['bytesReceived']) > bytes,
        PATIENCE_MS,
      )
    },
    async close() {
      await machine.stop()
      await line.close()
      await stack.stop()
      await place.remove()
    },
  }
  return site
}
