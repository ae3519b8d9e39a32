import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const script = join(projectFolder, 'deploy', 'curl-agent.sh')

/** Serves a file as `curl_site`, and looks whether it comes, twice. */
async function serve(stack: Stack, env: Record<string, string> = {}): Promise<void> {
  // A name that curl would take for a pattern.
  const file = join(stack.folder, 'menu [1-2] {a}.txt')
  const sha256 = await writeRandom(file, 6_000_000)
  // In a group of its own: the shell and the curl that it waits for end together.
  const options = { detached: true, stdio: 'ignore', env: { PATH: process.env['PATH'], ...env } } as const
  const agent = spawn(script, [stack.url, 'curl_site', file], options)
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
}

test('an agent of a few lines of shell and curl serves its file, again and again', async () => {
  const stack = await startStack()
  await serve(stack)
  await stack.stop()
  const code = (await readFile(script, 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(code.length).toBeLessThanOrEqual(5)
})

test('the same where the server wants to know who calls', async () => {
  const stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
  const { secret } = (await stack.post('/enrolments', { clients: 'curl_site' })).body
  const credential = await stack.post('/credentials', { clientId: 'curl_site' }, bearer(secret))
  const config = join(stack.folder, 'curl-config')
  await writeFile(config, `header = "Authorization: Bearer ${credential.body['secret']}"\n`, { mode: 0o600 })
  await serve(stack, { CURL_CONFIG: config })
  await stack.stop()
})
