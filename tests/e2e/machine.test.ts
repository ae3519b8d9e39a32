import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { run } from '../helpers/commands.ts'
import { sha256OfFile, temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { machineNeeds, startMachine, type Machine } from '../helpers/machine.ts'
import { testWith } from '../helpers/needs.ts'
import { startProxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const LONG = 600_000

describe('an agent on a machine of its own, without Node', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let stack: Stack
  let machine: Machine
  /** The line to the site, which can be slow. */
  let line: Awaited<ReturnType<typeof startProxy>>

  beforeAll(async () => {
    if (lacking(machineNeeds).length > 0) return
    place = await temporaryFolder()
    const dist = join(place.folder, 'dist')
    const key = join(place.folder, 'release.key')
    await run('npm', 'run', '-s', 'build:agent', '--', '--platform', 'linux-x64', '--to', dist, '--key', key)
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, RELEASES: dist })
    line = await startProxy(stack.url)
    machine = await startMachine()
  }, LONG)
  afterAll(async () => {
    await machine?.stop()
    await line?.close()
    await stack?.stop()
    await place?.remove()
  }, LONG)

  /** A file at the site. @returns its SHA-256 */
  const write = async (name: string, size: number): Promise<string> => {
    const file = join(place.folder, name)
    const sha256 = await writeRandom(file, size)
    await machine.run('mkdir', '-p', '/var/log/pos')
    await machine.give(file, `/var/log/pos/${name}`)
    return sha256
  }

  testWith(
    machineNeeds,
    'one line installs and enrols it, and a file arrives; after a reboot in mid-upload it goes on by itself',
    async () => {
      expect(await machine.ask('sh', '-c', 'command -v node')).toBe('')
      const [small, large] = [await write('till.csv', MiB), await write('video.bin', 64 * MiB)]
      const { secret } = (await stack.post('/enrolments', { clients: 'shop_1' }, bearer(ADMIN))).body
      const script = `curl -fsSL ${line.url}/install.sh | sh -s -- --enrol ${secret} --root /var/log/pos --id shop_1`
      const said = await machine.run('sh', '-c', script)
      expect(said).toContain('shop_1')

      const first = await stack.ask({ clientId: 'shop_1', path: '/var/log/pos/till.csv' })
      expect(await stack.reached(first['id'], 'completed')).toMatchObject({ verified: true, sha256: small })

      line.slow(8 * MiB)
      const { id } = await stack.ask({ clientId: 'shop_1', path: '/var/log/pos/video.bin' })
      await until('half of it', async () => Number((await stack.get(`/downloads/${id}`))['bytesReceived']) > 24 * MiB)
      await machine.reboot()
      line.slow(Infinity)
      const whole = await until(
        'the rest',
        async () => {
          const found = await stack.get(`/downloads/${id}`)
          return found['status'] === 'completed' && found
        },
        120_000,
      )
      expect(whole).toMatchObject({ verified: true, sha256: large, attempt: 1 })
      expect(await sha256OfFile(String(whole['filePath']))).toBe(large)
    },
    LONG,
  )
})
