import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from '@jest/globals'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'

testWith({ root: true }, 'a user that was made for a service has no home, and that is no mistake', async () => {
  const file = JSON.stringify(join(projectFolder, 'shared/home.ts'))
  // What it needs is loaded before it may read no more.
  const script = `const { homeFolder } = await import(${file})
    process.setgroups([]); process.setgid(54321); process.setuid(54321)
    process.stdout.write(homeFolder())`
  const args = ['--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: {} })
  expect(stdout).toBe('/')
})
