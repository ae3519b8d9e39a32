import { expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { startProxy } from '../helpers/proxy.ts'
import { startStack } from '../helpers/stack.ts'

test('a site proves itself to the server that it calls, and to no other that hands its proof on', async () => {
  const env: Record<string, string> = { AUTH: 'on', ADMIN_TOKEN: ADMIN }
  const stack = await startStack(env)
  // Whatever it passes on is the server's own, and the agent's.
  const between = await startProxy(stack.url)
  try {
    const misled = ['--server', between.url]
    await (await stack.online('shop_1', misled)).kill('SIGTERM')
    env['ORIGINS'] = `https://hub.example, ${stack.url}`
    await stack.restart()
    const agent = stack.agent('shop_1', misled)
    const refused = await agent.line((line) => Number(line['level']) >= 40)
    expect(refused['msg']).toContain('not among ORIGINS')
    await agent.kill('SIGTERM')
    await stack.online('shop_1')
  } finally {
    await stack.stop()
    await between.close()
  }
})
