import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'

testWith({ programs: ['systemd-analyze'] }, 'systemd-analyze verify has nothing to say of the service', async () => {
  const { folder, remove } = await temporaryFolder()
  const unit = join(folder, 'backhaul-agent.service')
  const text = await readFile(join(projectFolder, 'packaging/agent/backhaul-agent.service'), 'utf8')
  await writeFile(unit, text.replace('@BINARY@', process.execPath))
  expect(await promisify(execFile)('systemd-analyze', ['verify', unit])).toEqual({ stdout: '', stderr: '' })
  await remove()
})
