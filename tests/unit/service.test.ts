import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from '@jest/globals'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'

testWith({ programs: ['systemd-analyze'] }, 'systemd-analyze verify has nothing to say of the service', async () => {
  const unit = join(projectFolder, 'deploy', 'backhaul-agent.service')
  expect(await promisify(execFile)('systemd-analyze', ['verify', unit])).toEqual({ stdout: '', stderr: '' })
})
