import { join } from 'node:path'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { lacking } from '../helpers/lacking.ts'
import { machineNeeds } from '../helpers/machine.ts'
import { POS, startMachineSite, type MachineSite } from '../helpers/machine-site.ts'
import { testWith } from '../helpers/needs.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const LONG = 600_000
const UNIT = 'backhaul-agent.service'

describe('the service of an agent, on a real systemd', () => {
  let site: MachineSite

  beforeAll(async () => {
    if (lacking(machineNeeds).length === 0) site = await startMachineSite()
  }, LONG)
  afterAll(() => site?.close(), LONG)

  const property = async (name: string): Promise<string> =>
    (await site.machine.run('systemctl', 'show', UNIT, '--value', `--property=${name}`)).trim()
  const dropIn = async (name: string, ...lines: string[]): Promise<void> => {
    await site.machine.write(`/etc/systemd/system/${UNIT}.d/${name}.conf`, `[Service]\n${lines.join('\n')}\n`)
    await site.machine.run('systemctl', 'daemon-reload')
    await site.machine.run('systemctl', 'restart', UNIT)
  }
  const fetched = async (name: string): Promise<Json> => site.ended(await site.ask('shop_1', name))

  testWith(
    machineNeeds,
    'a package installs it, and it is set up by one command; systemd finds its sandbox tight, and it is ready once connected',
    async () => {
      const { machine, dist } = site
      const deb = (await readdir(dist)).find((name) => name.endsWith('_amd64.deb'))!
      await machine.give(join(dist, deb), `/root/${deb}`)
      await machine.run('dpkg', '-i', `/root/${deb}`)
      expect(await property('ActiveState')).toBe('inactive')

      await machine.write('/root/enrol-token', await site.enrolment('shop_1'))
      const flags = ['--server', site.line.url, '--id', 'shop_1', '--root', POS, '--enrol-file', '/root/enrol-token']
      expect(await machine.run('backhaul-agent', 'service', 'install', ...flags)).toContain('connected to')
      expect(await machine.run('backhaul-agent', 'service', 'status')).toContain('shop_1')
      expect(await property('StatusText')).toContain('connected')

      const score = await machine.run('systemd-analyze', 'security', '--no-pager', UNIT)
      const exposure = Number(/Overall exposure level[^:]*: ([\d.]+)/.exec(score)?.[1])
      expect(exposure).toBeGreaterThan(0)
      expect(exposure).toBeLessThan(2)
      expect(await machine.run('systemd-analyze', 'verify', UNIT)).toBe('')

      const sha256 = await site.write('till.csv', 1024)
      expect(await fetched('till.csv')).toMatchObject({ status: 'completed', sha256 })
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'it is started again when it stands still, as the watchdog finds, and after any end',
    async () => {
      await dropIn('watchdog', 'WatchdogSec=12')
      const before = await property('MainPID')
      // A healthy one feeds it, with nothing to do but wait.
      const fedAt = await property('WatchdogTimestampMonotonic')
      await until('the watchdog to be fed twice', async () => {
        const now = await property('WatchdogTimestampMonotonic')
        return Number(now) - Number(fedAt) > 12_000_000
      })
      expect(await property('MainPID')).toBe(before)

      await site.machine.run('systemctl', 'kill', '--signal=STOP', '--kill-whom=main', UNIT)
      await until('another process', async () => !['0', before].includes(await property('MainPID')), 120_000)
      expect(await site.machine.run('journalctl', '--no-pager', '-u', UNIT)).toContain('Watchdog timeout')
      expect(await fetched('till.csv')).toMatchObject({ status: 'completed' })
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'what others may not read: by a group, or by the capability, as the site decides; and what the sandbox hides is told so',
    async () => {
      const { machine } = site
      for (const [name, owner, mode] of [['adm.log', 'root:adm', '640'], ['root.log', 'root:root', '600']] as const) {
        await site.write(name, 2048)
        await machine.run('chown', owner, `${POS}/${name}`)
        await machine.run('chmod', mode, `${POS}/${name}`)
      } // prettier-ignore
      expect(await fetched('adm.log')).toMatchObject({ status: 'failed', reason: 'denied' })

      await machine.run('backhaul-agent', 'service', 'install', '--group', 'adm')
      expect(await fetched('adm.log')).toMatchObject({ status: 'completed' })
      expect(await fetched('root.log')).toMatchObject({ status: 'failed', reason: 'denied' })

      await machine.run('backhaul-agent', 'service', 'install', '--read-all')
      expect(await fetched('root.log')).toMatchObject({ status: 'completed' })
      await machine.run('backhaul-agent', 'service', 'install', '--no-read-all', '--no-group')
      expect(await fetched('root.log')).toMatchObject({ status: 'failed', reason: 'denied' })

      await machine.run('mkdir', `${POS}/sealed`)
      await site.write('sealed/a.csv', 10)
      await dropIn('sealed', `InaccessiblePaths=${POS}/sealed`)
      expect(await fetched('sealed/a.csv')).toMatchObject({ status: 'failed', reason: 'hidden' })
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'a stop takes seconds and loses nothing; the package removed and purged leaves nothing behind',
    async () => {
      const { machine } = site
      await machine.run('systemctl', 'stop', UNIT)
      // Ended by force, after the ten seconds of TimeoutStopSec=, it would be `timeout`.
      expect(await property('Result')).toBe('success')

      await machine.run('dpkg', '--purge', 'backhaul-agent')
      await machine.run('sh', '-c', 'rm -f /root/*.deb')
      expect(await machine.leftOf('backhaul')).toBe('')
    },
    LONG,
  )
})
