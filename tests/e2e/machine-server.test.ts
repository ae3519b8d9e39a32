import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { run } from '../helpers/commands.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { machineNeeds, startMachine, type Machine } from '../helpers/machine.ts'
import { testWith } from '../helpers/needs.ts'

const LONG = 600_000
const UNIT = 'backhaul-server.service'
const CONFIGURATION = `HOST=127.0.0.1
PORT=0
DATABASE_URL=sqlite:/var/lib/backhaul/backhaul.db
STORAGE_URL=file:/var/lib/backhaul/downloads
`

describe('the service of a server, on a real systemd', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let machine: Machine
  let deb: string

  beforeAll(async () => {
    if (lacking(machineNeeds).length > 0) return
    place = await temporaryFolder()
    const key = join(place.folder, 'release.key')
    const options = ['--platform', 'linux-x64', '--to', place.folder, '--key', key]
    await run('npm', 'run', '-s', 'build:server', '--', ...options)
    deb = (await readdir(place.folder)).find((name) => name.endsWith('.deb'))!
    machine = await startMachine()
  }, LONG)
  afterAll(async () => {
    await machine?.stop()
    await place?.remove()
  }, LONG)

  const property = async (name: string): Promise<string> =>
    (await machine.run('systemctl', 'show', UNIT, '--value', `--property=${name}`)).trim()

  /** Where the run that goes on at this moment listens; it has said so before it counts as started. */
  const address = async (): Promise<string> => {
    const invocation = `_SYSTEMD_INVOCATION_ID=${await property('InvocationID')}`
    const lines = (await machine.run('journalctl', '--no-pager', '-o', 'cat', invocation)).split('\n')
    const said = lines.map((line) => JSON.parse(line || '{}') as { msg?: string; port?: number })
    return `http://127.0.0.1:${said.find(({ msg }) => msg === 'listening')!.port}`
  }
  const health = async (): Promise<number> => (await fetch(`${await address()}/health`)).status

  testWith(
    machineNeeds,
    'a package starts it, it serves once it counts as started, and again after a power cut; a unit backs it up',
    async () => {
      // Another server may have the usual port: the machine shares its network with us.
      await machine.write('/etc/backhaul/server.env', CONFIGURATION)
      await machine.give(join(place.folder, deb), `/root/${deb}`)
      await machine.run('dpkg', '-i', '--force-confold', `/root/${deb}`)
      expect(await property('ActiveState')).toBe('active')
      expect(await health()).toBe(200)

      const score = await machine.run('systemd-analyze', 'security', '--no-pager', UNIT)
      expect(Number(/Overall exposure level[^:]*: ([\d.]+)/.exec(score)?.[1])).toBeLessThan(2)

      const made = await fetch(`${await address()}/enrolments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"clients":"shop_1"}',
      })
      expect(made.status).toBe(201)
      const before = await address()
      await machine.cutPower()
      await machine.run('systemctl', 'start', UNIT)
      expect(await address()).not.toBe(before)
      const { enrolments } = (await (await fetch(`${await address()}/enrolments`)).json()) as { enrolments: unknown[] }
      expect(enrolments).toHaveLength(1)

      await machine.run('systemctl', 'start', 'backhaul-server-backup.service')
      expect(await machine.run('find', '/var/backups/backhaul', '-name', '*.db')).not.toBe('')
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'updated, it goes on; purged, it leaves what sites sent, and says where',
    async () => {
      const before = await property('MainPID')
      await machine.run('dpkg', '-i', '--force-confold', `/root/${deb}`)
      expect(await property('MainPID')).not.toBe(before)
      expect(await health()).toBe(200)

      expect(await machine.run('dpkg', '--purge', 'backhaul-server')).toContain('/var/lib/backhaul stays')
      await machine.run('sh', '-c', 'rm -rf /root/*.deb /var/lib/backhaul /var/backups/backhaul')
      // The user owned the data: it stays as long as that may.
      expect(await machine.leftOf('backhaul')).toMatch(/^(\/etc\/(passwd|group):backhaul:.*\n)*$/)
    },
    LONG,
  )
})
