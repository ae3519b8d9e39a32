import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { sha256OfFile } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { machineNeeds } from '../helpers/machine.ts'
import { startMachineSite, type MachineSite } from '../helpers/machine-site.ts'
import { testWith } from '../helpers/needs.ts'

const MiB = 1024 * 1024
const LONG = 600_000

describe('an agent on a machine of its own, without Node', () => {
  let site: MachineSite

  beforeAll(async () => {
    if (lacking(machineNeeds).length === 0) site = await startMachineSite()
  }, LONG)
  afterAll(() => site?.close(), LONG)

  /** Asks for a file, does something to the machine in the middle of it, and expects the file whole. */
  const inMidUpload = async (name: string, act: () => Promise<unknown>): Promise<void> => {
    const sha256 = await site.write(name, 64 * MiB)
    site.line.slow(8 * MiB)
    const id = await site.ask('shop_1', name)
    await site.received(id, 24 * MiB)
    await act()
    site.line.slow(Infinity)
    const whole = await site.ended(id)
    expect(whole).toMatchObject({ status: 'completed', verified: true, sha256, attempt: 1 })
    expect(await sha256OfFile(String(whole['filePath']))).toBe(sha256)
  }

  testWith(
    machineNeeds,
    'one line installs and enrols it, and a file arrives; after a reboot in mid-upload it goes on by itself',
    async () => {
      expect(await site.machine.ask('sh', '-c', 'command -v node')).toBe('')
      expect(await site.install('shop_1')).toContain('connected to')
      const sha256 = await site.write('till.csv', MiB)
      const first = await site.ended(await site.ask('shop_1', 'till.csv'))
      expect(first).toMatchObject({ status: 'completed', verified: true, sha256 })
      // The token has done its work.
      expect(site.machine.exists('/etc/backhaul-agent/enrol-token')).toBe(false)

      await inMidUpload('video.bin', () => site.machine.reboot())
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'killed, or the power cut, in mid-upload: it goes on by itself',
    async () => {
      await inMidUpload('killed.bin', () =>
        site.machine.run('systemctl', 'kill', '--signal=KILL', '--kill-whom=main', 'backhaul-agent'),
      )
      await inMidUpload('power.bin', () => site.machine.cutPower())
    },
    LONG,
  )

  testWith(
    machineNeeds,
    'run again, the one line keeps what was set and updates nothing that is there; --uninstall leaves nothing behind',
    async () => {
      const { machine } = site
      const again = await machine.run('sh', '-c', `curl -fsSL ${site.line.url}/install.sh | sh`)
      expect(again).toContain('is here already')
      expect(again).toContain('connected to')
      expect(again).toContain('as shop_1')

      await machine.run('sh', '-c', `curl -fsSL ${site.line.url}/install.sh | sh -s -- --uninstall`)
      expect(await machine.leftOf('backhaul')).toBe('')
    },
    LONG,
  )
})
