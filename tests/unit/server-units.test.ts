import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'

const run = promisify(execFile)
const units = ['backhaul-server.service', 'backhaul-server-backup.service', 'backhaul-server-backup.timer']
/** Of 100, as `systemd-analyze security` counts it. */
const EXPOSURE = 20

describe("the server's units", () => {
  let folder: string
  let remove: () => Promise<void>

  beforeAll(async () => {
    ;({ folder, remove } = await temporaryFolder())
    for (const unit of units) {
      const text = await readFile(join(projectFolder, 'packaging/server', unit), 'utf8')
      // There must be such a program.
      await writeFile(join(folder, unit), text.replace('/usr/bin/backhaul-server', process.execPath))
    }
  })
  afterAll(() => remove())

  testWith({ programs: ['systemd-analyze'] }, 'systemd-analyze verify has nothing to say of them', async () => {
    const paths = units.map((unit) => join(folder, unit))
    expect(await run('systemd-analyze', ['verify', ...paths])).toEqual({ stdout: '', stderr: '' })
  })

  testWith({ programs: ['systemd-analyze'] }, 'they may do little more than they need', async () => {
    for (const unit of units.filter((name) => name.endsWith('.service'))) {
      const args = ['security', '--offline=true', `--threshold=${EXPOSURE}`, '--no-pager', join(folder, unit)]
      expect((await run('systemd-analyze', args)).stdout).toContain('Overall exposure level')
    }
  })
})
