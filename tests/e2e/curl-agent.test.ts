import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.stop())

test('an agent of a few lines of shell and curl serves its file, again and again', async () => {
  const script = join(projectFolder, 'deploy', 'curl-agent.sh')
  const file = join(stack.folder, 'menu.txt')
  const sha256 = await writeRandom(file, 6_000_000)
  // In a group of its own: the shell and the curl that it waits for end together.
  const agent = spawn(script, [stack.url, 'curl_site', file], { detached: true, stdio: 'ignore' })
  try {
    await until('the site to be online', async () => (await stack.get('/clients/curl_site'))['status'] === 'online')
    for (let round = 0; round < 2; round += 1) {
      const done = await stack.reached((await stack.ask({ clientId: 'curl_site' }))['id'], 'completed')
      expect(done).toMatchObject({ sha256, verified: false })
      expect(await sha256OfFile(done['filePath'])).toBe(sha256)
    }
  } finally {
    process.kill(-(agent.pid ?? 0), 'SIGTERM')
    await once(agent, 'exit')
  }
  const code = (await readFile(script, 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(code.length).toBeLessThanOrEqual(5)
})
