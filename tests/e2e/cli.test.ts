import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

// The CLI against a real server and agent, run as a user's shell runs it: from another folder, its output piped.
describe('CLI', () => {
  let stack: Stack
  let work: string
  let sha256: string

  beforeAll(async () => {
    stack = await startStack()
    work = join(stack.folder, 'work')
    await mkdir(join(stack.folder, 'root'), { recursive: true })
    await mkdir(work)
    sha256 = await writeRandom(join(stack.folder, 'root', 'till export.csv'), 3_000_000)
    const args = ['--root', join(stack.folder, 'root'), '--file', join(stack.folder, 'root', 'till export.csv')]
    await stack.online('shop_1', [...args, '--label', 'region=west'])
  })
  afterAll(() => stack.stop())

  const cli = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const environment = { PATH: process.env['PATH'], HOME: stack.folder, SERVER_URL: stack.url }
      execFile(
        process.execPath,
        [join(projectFolder, 'cli', 'backhaul.js'), ...args],
        { cwd: work, env: environment },
        (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      )
    })

  test('clients, by label and as JSON', async () => {
    expect((await cli('clients')).stdout).toContain('shop_1')
    expect((await cli('clients', '--label', 'region=east')).stdout).not.toContain('shop_1')
    expect(JSON.parse((await cli('clients', '--json')).stdout) as Json).toMatchObject({
      count: 1,
      clients: [{ id: 'shop_1' }],
    })
  })

  test('download waits, saves, and says the digest', async () => {
    const saved = await cli('download', 'shop_1', 'out.csv')
    expect(saved.code).toBe(0)
    expect(await sha256OfFile(join(work, 'out.csv'))).toBe(sha256)
    const waited = await cli('download', 'shop_1', '--path', 'till export.csv', '--wait')
    expect(waited).toMatchObject({ code: 0, stdout: expect.stringContaining(sha256) })
  })

  test('fetch writes to a file, or to standard output when piped', async () => {
    expect((await cli('fetch', 'shop_1', 'till export.csv', '-o', 'fetched.csv')).code).toBe(0)
    expect(await sha256OfFile(join(work, 'fetched.csv'))).toBe(sha256)
    await writeFile(join(stack.folder, 'root', 'small'), 'hello\n')
    expect((await cli('fetch', 'shop_1', 'small')).stdout).toBe('hello\n')
  })

  test('an empty file is fetched, too', async () => {
    await writeFile(join(stack.folder, 'root', 'empty'), '')
    expect(await cli('fetch', 'shop_1', 'empty', '-o', 'empty')).toMatchObject({ code: 0 })
    expect((await readFile(join(work, 'empty'))).byteLength).toBe(0)
  })

  test('queue, look, cancel, retry', async () => {
    await fetch(`${stack.url}/jobs?client=away`)
    const asked = JSON.parse((await cli('download', 'away', '--note', 'later', '--json')).stdout) as Json
    const { id } = asked
    expect((await cli('status', id)).stdout).toContain('queued')
    expect((await cli('downloads', '--client', 'away')).stdout).toContain(id)
    expect((await cli('retry', id)).code).not.toBe(0)
    await stack.post(`/jobs/${id}/fail`, { code: 'locked' })
    expect((await cli('retry', id)).code).toBe(0)
    expect((await cli('cancel', id)).code).toBe(0)
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'cancelled', note: 'later' })
  })

  test.each([
    [['download', 'nobody'], 3, 'client-unknown'],
    [['fetch', 'shop_1', 'missing', '-o', 'x1'], 3, 'not-found'],
    [['fetch', 'shop_1', '/etc/passwd', '-o', 'x2'], 1, 'not-allowed'],
    [['status', 'nonsense'], 3, 'download-unknown'],
    [['nonsense'], 2, 'nonsense'],
    [['clients', '--server', 'http://127.0.0.1:1'], 5, '127.0.0.1:1'],
  ])('%j exits %d and says why in one line', async (args, code, word) => {
    const answer = await cli(...args)
    expect(answer.code).toBe(code)
    expect(answer.stderr).toContain(word)
    expect(answer.stderr).not.toMatch(/\n\s+at |node_modules/)
    expect(answer.stdout).toBe('')
    expect((await readdir(work)).filter((name) => /^x\d|\.part$/.test(name))).toEqual([])
  })

  test('help has examples', async () => {
    expect((await cli('--help')).stdout).toMatch(/Examples/i)
    expect((await cli('download', '--help')).stdout).toMatch(/Examples/i)
  })
})
