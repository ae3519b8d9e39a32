import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'

const run = promisify(execFile)
const deploy = join(projectFolder, 'deploy')
const NAME = 'backhaul-agent.service'

/** The service as it is installed, with some of its drop-ins, and with a program that is there. */
async function withUnit(dropIns: readonly string[], use: (unit: string, env: NodeJS.ProcessEnv) => Promise<void>) {
  const { folder, remove } = await temporaryFolder()
  try {
    const unit = await readFile(join(projectFolder, 'packaging/agent', NAME), 'utf8')
    await writeFile(join(folder, NAME), unit.replace('@BINARY@', process.execPath))
    await mkdir(join(folder, `${NAME}.d`))
    for (const file of dropIns) await copyFile(join(deploy, file), join(folder, `${NAME}.d`, file))
    await use(join(folder, NAME), { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` })
  } finally {
    await remove()
  }
}

testWith({ programs: ['systemd-analyze'] }, 'systemd has nothing to say of the service and its drop-ins', async () => {
  // What only newer systemds know has a file of its own.
  const dropIns = (await readdir(deploy)).filter((file) => /^backhaul-agent-(?!backoff).*\.conf$/.test(file))
  expect(dropIns).toHaveLength(1)
  await withUnit(dropIns, async (unit, env) => {
    expect(await run('systemd-analyze', ['verify', unit], { env })).toEqual({ stdout: '', stderr: '' })
  })
})

testWith(
  { programs: ['systemd-analyze'] },
  "nor of root's part of updates, which is exposed to less than 2.0",
  async () => {
    const { folder, remove } = await temporaryFolder()
    try {
      const at = (kind: string): string => join(folder, `backhaul-agent-update.${kind}`)
      const text = (kind: string): Promise<string> =>
        readFile(join(projectFolder, `packaging/agent/backhaul-agent-update.${kind}`), 'utf8')
      await writeFile(at('path'), await text('path'))
      await writeFile(
        at('service'),
        (await text('service')).replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`),
      )
      const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` }
      expect(await run('systemd-analyze', ['verify', at('path'), at('service')], { env })).toEqual({
        stdout: '',
        stderr: '',
      })
      const score = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', at('service')], { env })
      expect(Number(/exposure level for \S+: ([\d.]+)/.exec(score.stdout)?.[1])).toBeLessThan(2)
    } finally {
      await remove()
    }
  },
)

testWith({ programs: ['systemd-analyze'] }, 'the service is exposed to less than 2.0', async () => {
  await withUnit([], async (unit, env) => {
    const { stdout } = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], { env })
    expect(Number(/exposure level for backhaul-agent.service: ([\d.]+)/.exec(stdout)?.[1])).toBeLessThan(2)
  })
})
