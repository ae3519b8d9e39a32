import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { publish } from '../../packaging/release.ts'
import { version as OLD } from '../../shared/version.ts'
import { run } from '../helpers/commands.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { machineNeeds } from '../helpers/machine.ts'
import { startMachineSite, type MachineSite } from '../helpers/machine-site.ts'
import { testWith } from '../helpers/needs.ts'
import { makeSigned, script } from '../helpers/signed.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const LONG = 600_000
const NEW = '0.2.0'
const OUTCOME = '/var/lib/backhaul-agent-update/outcome.json'
const TRIAL = '/var/lib/backhaul-agent-update/trial'

describe('an agent that is updated from its server, on a real systemd', () => {
  let site: MachineSite
  let place: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    if (lacking(machineNeeds).length > 0) return
    place = await temporaryFolder()
    site = await startMachineSite()
    const to = ['--platform', 'linux-x64', '--no-deb', '--to', join(place.folder, NEW), '--key', site.key]
    await run('npm', 'run', '-s', 'build:agent', '--', '--version', NEW, ...to)
  }, LONG)
  afterAll(async () => {
    await site?.close()
    await place?.remove()
  }, LONG)

  const client = (): Promise<Json> => site.stack.get('/clients/shop_1')
  const order = async (): Promise<{ status: number; body: Json }> => site.stack.post('/clients/shop_1/update', {})
  /** Makes a signed release of a script, for the server to hand out. */
  const release = async (version: string, keyFile = site.key): Promise<void> => {
    const folder = join(place.folder, version)
    await makeSigned(folder, { version, content: script(version), keyFile })
    await publish({ from: folder, to: site.dist })
  }
  const ordered = async (...states: string[]): Promise<Json> =>
    until(
      `the order to be ${states.join(' or ')}`,
      async () => {
        const { update } = await client()
        return states.includes(update?.state) && update
      },
      180_000,
    )
  /** Orders what is there, and waits until it has failed. @returns why */
  const failed = async (): Promise<string> => {
    expect((await order()).status).toBe(202)
    return String((await ordered('failed'))['detail'])
  }
  const rootIs = async (): Promise<string> =>
    (await site.machine.ask('systemctl', 'is-active', 'backhaul-agent-update.service')).trim()
  const online = (version: string): Promise<unknown> =>
    until(
      `${version} to be online`,
      async () => {
        const { status, agent } = await client()
        return status === 'online' && agent?.version === version
      },
      120_000,
    )

  testWith(
    machineNeeds,
    'in mid-upload it becomes the next version, and goes on with the file by itself',
    async () => {
      expect(await site.install('shop_1')).toContain('connected to')
      await site.machine.run('curl', '-fsSLo', '/root/install.sh', `${site.line.url}/install.sh`)
      expect(await client()).toMatchObject({ updates: true, outdated: false, agent: { version: OLD } })
      await publish({ from: join(place.folder, NEW), to: site.dist })
      expect(await client()).toMatchObject({ outdated: true })

      const sha256 = await site.write('video.bin', 256 * MiB)
      site.line.slow(8 * MiB)
      const id = await site.ask('shop_1', 'video.bin')
      await site.received(id, 16 * MiB)
      expect((await order()).status).toBe(202)
      await ordered('installed')
      expect((await site.stack.get(`/downloads/${id}`))['status']).toBe('transferring')
      site.line.slow(Infinity)
      expect(await site.ended(id)).toMatchObject({ status: 'completed', verified: true, sha256, attempt: 1 })
      expect(await client()).toMatchObject({ outdated: false, agent: { version: NEW } })

      await until('root to be content', async () => !site.machine.exists(TRIAL), 60_000)
      expect(JSON.parse(await site.machine.read(OUTCOME))).toMatchObject({ version: NEW, outcome: 'installed' })
      const status = await site.machine.run('backhaul-agent', 'service', 'status')
      expect(status).toMatch(new RegExp(`updates +from the server; .* ${NEW} installed`))
      await until('root to rest', async () => (await rootIs()) === 'inactive')
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'a signed version that does not come back is rolled back, also when the power is cut meanwhile',
    async () => {
      await release('0.3.0')
      expect(await failed()).toMatch(/^0\.3\.0 was installed and did not work: it ended .*0\.2\.0 is back$/)
      await online(NEW)

      await release('0.3.1')
      expect((await order()).status).toBe(202)
      await until('it to be tried', async () => site.machine.exists(TRIAL), 120_000)
      await site.machine.cutPower()
      expect((await ordered('failed'))['detail']).toMatch(/^0\.3\.1 was installed and did not work/)
      await online(NEW)
      const sha256 = await site.write('after.csv', MiB)
      expect(await site.ended(await site.ask('shop_1', 'after.csv'))).toMatchObject({ status: 'completed', sha256 })
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'what another key has signed is refused, and an older version, whatever the agent says',
    async () => {
      const other = join(place.folder, 'other.key')
      await release('0.4.0', other)
      expect(await failed()).toMatch(/^the signature of the release is wrong/)
      await release('0.1.9')
      expect(await order()).toMatchObject({ status: 409, body: { code: 'up-to-date' } })

      // An agent that was taken over puts there what it likes.
      const staged = '/var/lib/private/backhaul-agent/update'
      const folder = join(place.folder, 'older')
      await makeSigned(folder, { version: '0.1.8', content: script('0.1.8'), keyFile: site.key })
      await site.machine.run('mkdir', '-p', staged)
      for (const name of await readdir(folder)) await site.machine.give(join(folder, name), `${staged}/${name}`)
      await until('root to rest', async () => (await rootIs()) === 'failed')
      // Called without end it goes on listening.
      const storm = 'end=$(($(date +%s) + 20)); while [ $(date +%s) -lt $end ]; do echo x >"$0"; sleep 0.1; done'
      await site.machine.run('sh', '-c', storm, `${staged}/ready`)
      expect((await site.machine.run('systemctl', 'is-active', 'backhaul-agent-update.path')).trim()).toBe('active')
      await until('root to rest', async () => (await rootIs()) === 'failed')
      await site.machine.write(`${staged}/ready`, JSON.stringify({ id: 'of-its-own', version: '0.1.8' }))
      const outcome = await until('root to answer', async () => {
        const found = JSON.parse(await site.machine.read(OUTCOME)) as Json
        return found['id'] === 'of-its-own' && found
      })
      expect(outcome).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('not newer than 0.2.0') })
      await online(NEW)
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'a site can do without, and nothing is left behind',
    async () => {
      const { machine } = site
      await machine.run('backhaul-agent', 'service', 'install', '--no-updates')
      await until('it to say so', async () => (await client())['updates'] === false)
      expect(await order()).toMatchObject({ status: 409, body: { code: 'update-unsupported' } })
      expect(await machine.run('backhaul-agent', 'service', 'status')).toContain('as this site wants it')
      expect(await machine.run('find', '/etc/systemd', '-name', '*agent-update*')).toBe('')
      await machine.run('backhaul-agent', 'service', 'install', '--updates')
      await until('it to say so', async () => (await client())['updates'] === true)
      await machine.run('sh', '/root/install.sh', '--uninstall')
      expect(await machine.leftOf('backhaul')).toBe('')
    },
    LONG,
  )
})
