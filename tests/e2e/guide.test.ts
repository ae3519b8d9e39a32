import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
const needs = { programs: ['curl', 'md5sum'] }
const sites = ['restaurant-001', 'restaurant-002', 'restaurant-003']

// The scripts of the containers' guided test, here with a server and sites that are in none.
describe('setup.sh and test-guide.sh', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let stack: Stack | undefined

  const run = (file: string, args: string[], env: Record<string, string> = {}, input = '') =>
    new Promise<{ code: unknown; output: string }>((resolve) => {
      const options = { cwd: place.folder, env: { PATH: process.env['PATH'], ...env } }
      const child = execFile(file, args, options, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, output: stdout + stderr }),
      )
      // One that ends without having read it all is judged by what it printed.
      child.stdin?.on('error', () => undefined).end(input)
    })
  const guide = (server: string, ...choices: string[]) =>
    run('./test-guide.sh', [], { SERVER_URL: server }, `${[...choices, '0'].join('\n')}\n`)
  const read = (name: string): Promise<string> => readFile(join(place.folder, name), 'utf8')
  const secret = async (name: string): Promise<string> =>
    new RegExp(`^${name}=(bh[oe]_[\\w-]{43})$`, 'm').exec(await read('.env'))?.[1] ?? ''

  beforeAll(async () => {
    place = await temporaryFolder()
    for (const name of ['setup.sh', 'test-guide.sh', 'generate-test-file.sh'])
      await cp(join(projectFolder, name), join(place.folder, name))
  })
  afterAll(async () => {
    await stack?.stop()
    await place.remove()
  })

  testWith(
    needs,
    'files, checksums as md5sum reads them, and tokens for their owner alone; all of it is kept',
    async () => {
      expect(await guide('http://127.0.0.1:1')).toMatchObject({
        code: 1,
        output: expect.stringContaining('./setup.sh'),
      })
      // Somebody's own settings, open to all and without a line break.
      await writeFile(join(place.folder, '.env'), 'SERVER_PORT=3001', { mode: 0o644 })
      expect(await run('./setup.sh', ['1'])).toMatchObject({ code: 0 })
      for (const site of sites)
        expect((await stat(join(place.folder, 'test-files', site, 'file_to_download.txt'))).size).toBe(MiB)
      expect((await run('md5sum', ['-c', 'checksums.txt'])).output.match(/: OK/g)).toHaveLength(3)
      expect((await stat(join(place.folder, '.env'))).mode & 0o777).toBe(0o600)
      expect(await read('.env')).toMatch(/^SERVER_PORT=3001\nADMIN_TOKEN=bho_[\w-]{43}\nENROL_TOKEN=bhe_[\w-]{43}\n$/)
      const before = [await read('.env'), await read('checksums.txt')]
      expect(await run('./setup.sh', ['1'])).toMatchObject({ code: 0 })
      expect([await read('.env'), await read('checksums.txt')]).toEqual(before)
    },
  )

  testWith(needs, 'one at a time; tokens that are there are kept however they are written, and found', async () => {
    const saved = await read('.env')
    const own = 'quoted"and\\slashed-0123456789'
    await writeFile(
      join(place.folder, '.env'),
      `ADMIN_TOKEN=an-older-one-0123456789\r\n export ADMIN_TOKEN = ${own}\r\nENROL_TOKEN=\r\n`,
    )
    await mkdir(join(place.folder, '.setup.lock'))
    expect(await run('./setup.sh', ['1'])).toMatchObject({ code: 1, output: expect.stringContaining('.setup.lock') })
    await rm(join(place.folder, '.setup.lock'), { recursive: true })
    for (let time = 0; time < 2; time += 1) expect(await run('./setup.sh', ['1'])).toMatchObject({ code: 0 })
    expect(await read('.env')).toMatch(
      /^ADMIN_TOKEN=.*\r\n export ADMIN_TOKEN = .*\r\nENROL_TOKEN=\r\nENROL_TOKEN=bhe_[\w-]{43}\n$/,
    )
    const server = await startStack({ AUTH: 'on', ADMIN_TOKEN: own })
    try {
      expect(await guide(server.url, '2')).toMatchObject({ code: 0, output: expect.stringContaining('"count":0') })
    } finally {
      await server.stop()
      await writeFile(join(place.folder, '.env'), saved)
    }
  })

  testWith(
    { ...needs, long: true },
    'the guide fetches, shows and verifies; it tells a file that is not as it was, and ends with 1',
    async () => {
      const tokens = { ADMIN_TOKEN: await secret('ADMIN_TOKEN'), ENROL_TOKEN: await secret('ENROL_TOKEN') }
      stack = await startStack({ AUTH: 'on', ...tokens, ENROL_CLIENTS: 'restaurant-*' })
      for (const site of sites.slice(0, 2)) {
        const file = join(place.folder, 'test-files', site, 'file_to_download.txt')
        await stack.online(site, ['--file', file], { ENROL_TOKEN: tokens.ENROL_TOKEN })
      }
      const { code, output } = await guide(stack.url, '1', '2', '4', '5', '', '6')
      expect(output).toContain('"status":"ready"')
      expect(output).toContain('"clients":["restaurant-001","restaurant-002"]')
      expect(output).toMatch(/restaurant-002: completed, file_to_download.txt, 100 %, SHA-256 [0-9a-f]{64}/)
      for (const site of sites.slice(0, 2)) expect(output).toMatch(new RegExp(`${site}: OK, MD5 [0-9a-f]{32}`))
      expect(output).toMatch(/restaurant-003: Client restaurant-003 is not connected/)
      expect([code, output]).toEqual([1, expect.stringContaining('restaurant-003: nothing was downloaded yet')])
      expect(output).not.toContain(tokens.ADMIN_TOKEN)

      await rm(join(place.folder, 'test-files'), { recursive: true })
      await mkdir(join(place.folder, 'test-files'))
      await run('./setup.sh', ['1'])
      expect((await guide(stack.url, '6')).output).toContain('restaurant-001: FAILED')
    },
  )

  testWith(needs, 'the guide says that nothing answers', async () => {
    const { code, output } = await guide('http://127.0.0.1:1', '3', '7', '3', '1')
    expect([code, output]).toEqual([1, expect.stringContaining('restaurant-001: no answer from http://127.0.0.1:1')])
    expect(output).toContain('There is no restaurant 7.')
  })
})
