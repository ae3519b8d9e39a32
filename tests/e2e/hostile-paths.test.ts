import { execFileSync } from 'node:child_process'
import { link, mkdir, readFile, readdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openKeys } from '../../agent/credential.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

const SECRET = 'nobody shared this'

// Whoever rules the server asks for what the site does not share.
describe('hostile paths', () => {
  let stack: Stack
  let root: string
  let outside: string

  beforeAll(async () => {
    stack = await startStack()
    root = join(stack.folder, 'shared')
    outside = join(stack.folder, 'outside')
    await mkdir(join(root, 'sub', '.hidden'), { recursive: true })
    await mkdir(join(stack.folder, 'shared-not'), { recursive: true })
    await mkdir(outside)
    await writeFile(join(outside, 'secret.txt'), SECRET)
    await writeFile(join(stack.folder, 'shared-not', 'secret.txt'), SECRET)
    await writeFile(join(root, 'denied.key'), SECRET)
    await writeFile(join(root, 'sub', '.hidden', 'denied.key'), SECRET)
    await writeFile(join(root, 'not named.bin'), SECRET)
    await writeFile(join(root, 'large.txt'), SECRET.repeat(1000))
    await writeFile(join(root, 'open.txt'), 'for everybody')
    await symlink(join(outside, 'secret.txt'), join(root, 'link.txt'))
    await symlink('../outside/secret.txt', join(root, 'relative.txt'))
    await symlink(outside, join(root, 'folder'))
    await symlink('denied.key', join(root, 'renamed.txt'))
    await symlink('circle.txt', join(root, 'circle.txt'))
    await symlink('/proc/self/environ', join(root, 'environ.txt'))
    await symlink('/proc/self/fd/0', join(root, 'descriptor.txt'))
    await link(join(outside, 'secret.txt'), join(outside, 'other name.txt'))
    execFileSync('mkfifo', [join(root, 'pipe.txt')])
    const rules = ['--root', root, '--allow', '**/*.txt', '--deny', '*.key', '--max-size', '10KB']
    await stack.online('site', [...rules, '--file', join(stack.folder, 'default.txt')], { LEAK: SECRET })
  })
  afterAll(() => stack.stop())

  const outcome = async (path: string): Promise<Json> => {
    const { id } = await stack.ask({ clientId: 'site', path })
    return stack.ended(id, 30_000)
  }

  test('read nothing that is not shared, and do not tell whether it is there', async () => {
    const there = join(outside, 'secret.txt')
    const up = '../'.repeat(20)
    const paths = [
      // Upwards, and back in.
      [
        '../outside/secret.txt',
        'sub/../../outside/secret.txt',
        './../outside/secret.txt',
        `${up}etc/passwd`,
        '..',
        '.',
        '/',
      ],
      [
        there,
        `${root}/../outside/secret.txt`,
        `/${there}`,
        `//${there}`,
        `${root}-not/secret.txt`,
        '/etc/passwd',
        '/etc/shadow',
      ],
      // As other systems write them.
      [
        '..\\outside\\secret.txt',
        'C:\\Windows\\win.ini',
        '\\\\server\\share\\x',
        '//server/share/x',
        'file:///etc/passwd',
      ],
      // Encoded, once and again.
      [
        '%2e%2e/outside/secret.txt',
        '..%2foutside%2fsecret.txt',
        '..%00/outside/secret.txt',
        '．．/outside/secret.txt',
        '‥/outside/secret.txt',
      ],
      ['link.txt', 'relative.txt', 'folder/secret.txt', 'renamed.txt', 'circle.txt', 'environ.txt', 'descriptor.txt'],
      ['/proc/self/environ', '/proc/1/environ', '/proc/self/mem', '/proc/self/root/etc/passwd', '/sys/kernel/notes'],
      ['/dev/zero', '/dev/stdin', '/dev/tcp/x/80', 'pipe.txt', 'sub'],
      // What the site's own rules exclude.
      ['denied.key', 'sub/.hidden/denied.key', 'not named.bin', 'large.txt'],
      [`${'a/'.repeat(2000)}x`, 'x'.repeat(300), '~/secret', '$HOME/secret', '$(cat /etc/passwd)', '\u202etxt.terces'],
    ].flat()
    expect(paths.length).toBeGreaterThanOrEqual(50)
    for (const path of paths) {
      const { status, reason } = await outcome(path)
      expect([path, status, ['not-allowed', 'not-found', 'not-a-file'].includes(reason)]).toEqual([
        path,
        'failed',
        true,
      ])
    }
    const [known, unknown] = [await outcome(there), await outcome(join(outside, 'is not there'))]
    expect(known['reason']).toBe(unknown['reason'])
    expect(await outcome('open.txt')).toMatchObject({ status: 'completed' })
    for (const name of await readdir(stack.downloads)) {
      if (name.startsWith('.')) continue
      expect(await readFile(join(stack.downloads, name), 'utf8')).not.toContain(SECRET)
    }
  })

  test('what the site proves itself with is not shared, though it lies in a shared folder', async () => {
    const home = join(stack.folder, 'home')
    const state = join(home, 'state')
    const enrolFile = join(home, 'enrolment.txt')
    await mkdir(state, { recursive: true })
    await writeFile(enrolFile, 'bhe_secret\n')
    const keys = openKeys({ dir: state, clientId: 'careless' })
    await keys.current()
    await keys.make()
    await link(join(state, 'key.pem'), join(home, 'another name.txt'))
    await writeFile(join(state, 'till.csv'), 'for everybody')
    await stack.online('careless', ['--root', home, '--state-dir', state, '--enrol-file', enrolFile])
    for (const path of ['state/key.pem', 'state/next-key.pem', 'another name.txt', 'enrolment.txt']) {
      const { id } = await stack.ask({ clientId: 'careless', path })
      expect([path, await stack.ended(id, 30_000)]).toMatchObject([path, { status: 'failed', reason: 'not-allowed' }])
    }
    const { id } = await stack.ask({ clientId: 'careless', path: 'state/till.csv' })
    expect(await stack.ended(id, 30_000)).toMatchObject({ status: 'completed' })
  })

  test('a folder that is swapped for a link again and again lets nothing out', async () => {
    const real = join(root, 'turning')
    await mkdir(real)
    await writeFile(join(real, 'secret.txt'), 'the shared one')
    await symlink(outside, join(stack.folder, 'to-outside'))
    const over = new AbortController()
    const swap = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await rename(real, join(stack.folder, 'aside'))
        await symlink(outside, real)
        await rename(real, join(stack.folder, 'gone'))
        await rename(join(stack.folder, 'aside'), real)
      }
    }
    const swapper = swap()
    const asked = await Promise.all(
      Array.from({ length: 60 }, () => stack.ask({ clientId: 'site', path: 'turning/secret.txt' })),
    )
    const ended = await Promise.all(asked.map(({ id }) => stack.ended(id, 60_000)))
    over.abort()
    await swapper
    expect(ended.some((one) => one['status'] === 'completed')).toBe(true)
    for (const { status, filePath } of ended) {
      if (status === 'completed') expect(await readFile(filePath, 'utf8')).toBe('the shared one')
    }
  })
})
