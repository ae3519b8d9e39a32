import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { blocksOf, fitted } from '../helpers/page.ts'
import { projectFolder } from '../helpers/process.ts'
import { makeRelease } from '../helpers/release.ts'
import { startStack } from '../helpers/stack.ts'

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

  testWith(
    { programs: ['systemd-tmpfiles', 'systemd-sysusers'], root: true },
    'a release that is put where docs/OPERATIONS.md says is handed out',
    async () => {
      const machine = join(folder, 'machine')
      const [block = ''] = blocksOf('docs/OPERATIONS.md', 'sh')
      const settings = await readFile(join(projectFolder, 'packaging/server/server.env'), 'utf8')
      const releases = /^RELEASES=(.*)$/m.exec(settings)?.[1] ?? ''
      await mkdir(join(machine, 'etc'), { recursive: true })
      for (const program of ['sysusers', 'tmpfiles']) {
        const file = join(projectFolder, 'packaging/server', `${program}.conf`)
        await run(`systemd-${program}`, [`--root=${machine}`, ...(program === 'tmpfiles' ? ['--create'] : []), file])
      }
      const release = await makeRelease(join(folder, 'dist'), { keyFile: join(folder, 'release.key') })
      const command = fitted(block, { 'sudo ': '', [`${releases}/`]: `${machine}${releases}/` })
      await run('sh', ['-ec', command], { cwd: folder })
      const stack = await startStack({ RELEASES: machine + releases })
      try {
        const names = ['install.sh', 'agents/SHA256SUMS', 'agents/SHA256SUMS.sig', 'agents/release.pub']
        for (const name of [...names, ...release.names.map((packed) => `agents/${packed}`)]) {
          expect([name, (await fetch(`${stack.url}/${name}`)).status]).toEqual([name, 200])
        }
      } finally {
        await stack.stop()
      }
    },
  )
})
