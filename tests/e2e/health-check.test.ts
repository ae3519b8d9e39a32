import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { makeAuthority } from '../helpers/certificates.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { start } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

// What the images' HEALTHCHECK runs.
describe('the health check', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const check = async (what: string, env: Record<string, string>): Promise<[code: number | null, said: string]> => {
    const running = start('deploy/health.js', [what], env)
    return [await running.exited, running.output()]
  }
  const portOf = ({ url }: Stack): string => new URL(url).port

  test('of the server and of an agent that is connected to it; of both when the server is gone', async () => {
    const agent = await stack.online('site', ['--port', '0'])
    const { port } = await agent.line((line) => typeof line['port'] === 'number')
    const agentEnv = { CLIENT_PORT: String(port) }
    const serverEnv = { PORT: portOf(stack), HOST: '0.0.0.0' }
    expect(await check('server', serverEnv)).toEqual([0, ''])
    await until('the agent to be well', async () => (await check('agent', agentEnv))[0] === 0)
    await stack.server.kill('SIGTERM')
    expect(await check('server', serverEnv)).toEqual([1, expect.stringContaining('ECONNREFUSED')])
    await until('the agent to be unwell', async () => (await check('agent', agentEnv))[0] === 1)
    expect(await check('agent', agentEnv)).toEqual([1, 'not connected to the server\n'])
    await agent.kill('SIGTERM')
    expect(await check('agent', agentEnv)).toEqual([1, expect.stringContaining('ECONNREFUSED')])
  })

  test('of a server that is bound to an address of IPv6', async () => {
    const six = await startStack({ HOST: '::1' }, { host: '[::1]' })
    expect(await check('server', { PORT: portOf(six), HOST: '::1' })).toEqual([0, ''])
    await six.stop()
  })

  testWith({ programs: ['openssl'] }, 'of a server that speaks TLS, by whatever name others call it', async () => {
    const place = await temporaryFolder()
    const { cert, key } = makeAuthority(place.folder).issue()
    const secure = await startStack({ TLS_CERT: cert, TLS_KEY: key })
    expect(await check('server', { PORT: portOf(secure), TLS_CERT: cert })).toEqual([0, ''])
    expect((await check('server', { PORT: portOf(secure) }))[0]).toBe(1)
    await secure.stop()
    await place.remove()
  })
})
