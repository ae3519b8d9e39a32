import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { writeRandom } from '../helpers/folder.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

const NOBODY = 65_534

// An admin and an operator at their shells.
describe('CLI with tokens', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
  })
  afterAll(() => stack.stop())

  const cli = (
    args: string[],
    {
      input = '',
      env = {},
      options = {},
    }: { input?: string; env?: Record<string, string>; options?: { uid?: number; gid?: number } } = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const environment = { PATH: process.env['PATH'], HOME: stack.folder, SERVER_URL: stack.url, ...env }
      const child = execFile(
        process.execPath,
        [join(projectFolder, 'cli', 'backhaul.js'), ...args],
        { env: environment, ...options },
        (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      )
      child.stdin?.end(input)
    })

  test('without a token nothing is told; login keeps one for its owner alone, and logout forgets it', async () => {
    expect(await cli(['clients'])).toMatchObject({ code: 2, stderr: expect.stringContaining('(unauthenticated)') })
    expect(await cli(['login'], { input: 'not-the-token\n' })).toMatchObject({ code: 2 })
    expect(await cli(['clients'])).toMatchObject({ code: 2 })
    const login = await cli(['login'], { input: `${ADMIN}\n` })
    expect(login).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('Logged in') })
    expect(login.stderr).not.toContain(ADMIN)
    const kept = join(stack.folder, '.config', 'backhaul', 'tokens.json')
    expect((await stat(kept)).mode & 0o777).toBe(0o600)
    expect(await cli(['clients'])).toMatchObject({ code: 0 })
    expect(await cli(['logout'])).toMatchObject({ code: 0 })
    expect(await readFile(kept, 'utf8')).toBe('{}')
    expect(await cli(['clients'])).toMatchObject({ code: 2 })
    expect(await cli(['login'], { input: ADMIN })).toMatchObject({ code: 0 })
  })

  test('a token that fits into no header is a mistake of whoever gave it, and not a server that does not answer', async () => {
    const { code, stderr } = await cli(['clients'], { env: { BACKHAUL_TOKEN: `${ADMIN}\nsecret` } })
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('BACKHAUL_TOKEN') })
    expect(stderr).not.toMatch(new RegExp(`${ADMIN}|secret`))
  })

  test('a file of tokens that this user may not read is not replaced', async () => {
    const config = join(stack.folder, 'config')
    const kept = join(config, 'backhaul', 'tokens.json')
    await mkdir(dirname(kept), { recursive: true })
    await writeFile(kept, '{"http://other/":"secret"}', { mode: 0o000 })
    // Root may read everything: then it is another user's turn, in a folder of its own.
    const isRoot = process.getuid?.() === 0
    if (isRoot) await Promise.all([chmod(stack.folder, 0o711), chown(dirname(kept), NOBODY, NOBODY)])
    const options = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
    const logout = await cli(['logout'], { env: { XDG_CONFIG_HOME: config }, options })
    expect(logout).toMatchObject({ code: 2, stderr: expect.stringContaining('(token-file)') })
    expect((await stat(kept)).size).toBe('{"http://other/":"secret"}'.length)
  })

  test('a site is enrolled, asked, and revoked; the audit says so', async () => {
    const made = await cli(['enrol', 'shop_*', '--uses', '1', '--expires', '1h', '--label', 'region=west'])
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^bhe_[A-Za-z0-9_-]{43}\n$/) })
    const file = join(stack.folder, 'till.csv')
    const shown = async (): Promise<Json> => (await stack.get('/clients/shop_1'))['labels']
    await writeRandom(file, 1000)
    const agent = await stack.online('shop_1', ['--file', file], { ENROL_TOKEN: made.stdout.trim() })
    expect(await shown()).toEqual({ region: 'west' })
    const token = await cli(['tokens', 'create', 'head office', '--role', 'operator', '--client', 'shop_*'])
    const env = { BACKHAUL_TOKEN: token.stdout.trim() }
    expect(await cli(['download', 'shop_1', '--wait'], { env })).toMatchObject({ code: 0 })
    const reads = await readFile(join(stack.folder, 'state', 'shop_1', 'reads.log'), 'utf8')
    expect(JSON.parse(reads)).toMatchObject({ path: file, size: 1000, attempt: 1, askedBy: 'head office' })
    expect(await cli(['tokens'], { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('(not-permitted)'),
    })
    const [, id = ''] = /^(\S+)\thead office\toperator\tshop_\*/m.exec((await cli(['tokens'])).stdout) ?? []
    expect(await cli(['tokens', 'revoke', id])).toMatchObject({ code: 0 })
    // Whoever ends the token that they call with hears of it.
    const own = (await cli(['tokens', 'create', 'own', '--role', 'admin'])).stdout.trim()
    const [, ownId = ''] = /^(\S+)\town\tadmin/m.exec((await cli(['tokens'])).stdout) ?? []
    expect(await cli(['tokens', 'revoke', ownId, '--json'], { env: { BACKHAUL_TOKEN: own } })).toMatchObject({
      code: 0,
      stdout: `{\n  "id": "${ownId}"\n}\n`,
    })
    expect(await cli(['clients'], { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('(unauthenticated)'),
    })
    const [, enrolment = ''] = /^(\S+)\tshop_\*\t0\tregion=west\t/m.exec((await cli(['enrolments'])).stdout) ?? []
    expect(await cli(['enrolments', 'revoke', enrolment])).toMatchObject({ code: 0 })
    expect((await cli(['enrolments'])).stdout).toMatch(new RegExp(`^${enrolment}\t.*\trevoked 2`, 'm'))
    expect(await cli(['revoke', 'shop_1'])).toMatchObject({ code: 0, stderr: expect.stringContaining('1 revoked') })
    await agent.line((line) => String(line['msg']).includes('This enrolment token is not known here'))
    const audit = (await cli(['audit', '--client', 'shop_1'])).stdout
    expect(audit).toMatch(/\ttoken head office\t127\.0\.0\.1\tPOST \/downloads\tshop_1\t-\t202\n/)
  })
})
