import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { once } from 'node:events'
import {
  appendFile,
  chmod,
  mkdir,
  realpath,
  rename,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createRules } from '../../agent/rules.ts'
import { openSource, type Source } from '../../agent/source.ts'
import { temporaryFolder } from '../helpers/folder.ts'

let folder: string
let remove: () => Promise<void>
let file: string
let root: string
let second: string

beforeAll(async () => {
  const made = await temporaryFolder()
  remove = made.remove
  folder = await realpath(made.folder)
  await chmod(folder, 0o755)
  file = join(folder, 'home', 'file_to_download.txt')
  root = join(folder, 'root')
  second = join(folder, 'second')
  await mkdir(join(folder, 'home'))
  await mkdir(join(root, 'sub'), { recursive: true })
  await mkdir(second)
  await writeFile(file, 'default')
  await writeFile(join(folder, 'home', 'private.txt'), 'private')
  await writeFile(join(root, 'sub', 'a.txt'), 'a in the first root')
  await writeFile(join(second, 'b.txt'), 'b in the second root')
})
afterAll(() => remove())

const shared = (): { file: string; roots: string[] } => ({ file, roots: [root, second] })
const opened = async (requested: string | null, policy = 'fail'): Promise<Source> =>
  openSource({ requested, policy, shared: shared() })
const path = async (requested: string | null): Promise<string> => {
  const source = await opened(requested)
  await source.close()
  return source.path
}
const code = async (requested: string | null): Promise<unknown> => {
  try {
    await path(requested)
    return 'opened'
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

describe('what is shared', () => {
  test('the default file: unnamed, by its base name, by its path', async () => {
    for (const requested of [null, 'file_to_download.txt', file]) expect(await path(requested)).toBe(file)
  })

  test('files under the roots: relative to each in order, absolute, and absolute without its slash', async () => {
    expect(await path('sub/a.txt')).toBe(join(root, 'sub', 'a.txt'))
    expect(await path('./sub/../sub//a.txt')).toBe(join(root, 'sub', 'a.txt'))
    expect(await path('b.txt')).toBe(join(second, 'b.txt'))
    expect(await path(join(second, 'b.txt'))).toBe(join(second, 'b.txt'))
    expect(await path(join(second, 'b.txt').slice(1))).toBe(join(second, 'b.txt'))
  })

  test('links that stay inside, and a root or a default file that is itself a link', async () => {
    await symlink('sub/a.txt', join(root, 'inside'))
    await symlink(join(root, 'sub'), join(second, 'across'))
    await symlink('../../second/b.txt', join(root, 'sub', 'up-and-down'))
    await symlink(root, join(folder, 'root-link'))
    expect(await path('inside')).toBe(join(root, 'sub', 'a.txt'))
    expect(await path('across/a.txt')).toBe(join(root, 'sub', 'a.txt'))
    expect(await path('sub/up-and-down')).toBe(join(second, 'b.txt'))
    const linked = { file, roots: [join(folder, 'root-link')] }
    for (const requested of ['inside', join(folder, 'root-link', 'inside'), join(root, 'inside')]) {
      const source = await openSource({ requested, policy: 'fail', shared: linked })
      expect(source.path).toBe(join(root, 'sub', 'a.txt'))
      await source.close()
    }
  })
})

describe('what is refused', () => {
  test('outside gives not-allowed, whether it exists or not', async () => {
    const outside = [
      '/etc/passwd',
      '/etc/none',
      '../home/private.txt',
      '../home/none',
      `${file}/..`,
      join(folder, 'home', 'private.txt'),
    ]
    for (const requested of [...outside, `${root}x`, 'a\0b', '/dev/null'])
      expect([requested, await code(requested)]).toEqual([requested, 'not-allowed'])
  })

  test('a relative name under which nothing is shared is not there, without roots, too', async () => {
    for (const requested of ['nothing.txt', 'etc/passwd', 'a/../b']) {
      const opening = openSource({ requested, policy: 'fail', shared: { file, roots: [] } })
      await expect(opening).rejects.toMatchObject({ code: 'not-found' })
    }
  })

  test('symlinks do not escape: not-allowed, whether the target exists or not', async () => {
    await symlink('/etc/passwd', join(root, 'out'))
    await symlink('/etc/none', join(root, 'out-dangling'))
    await symlink('..', join(root, 'up'))
    await symlink('loop', join(root, 'loop'))
    for (const requested of ['out', 'out-dangling', 'up/home/private.txt', 'up/home/none', 'loop']) {
      expect([requested, await code(requested)]).toEqual([requested, 'not-allowed'])
    }
  })

  test('not-found within the shared area', async () => {
    await symlink('nothing', join(root, 'dangling-inside'))
    for (const requested of ['none', join(root, 'none'), 'sub/a.txt/below', 'n'.repeat(256), 'dangling-inside']) {
      expect([requested.slice(0, 50), await code(requested)]).toEqual([requested.slice(0, 50), 'not-found'])
    }
    const missing = { file: join(folder, 'home', 'later.txt'), roots: [join(folder, 'unmounted')] }
    await expect(openSource({ requested: null, policy: 'fail', shared: missing })).rejects.toMatchObject({
      code: 'not-found',
    })
    await expect(openSource({ requested: 'x', policy: 'fail', shared: missing })).rejects.toMatchObject({
      code: 'not-found',
    })
  })

  test('a FIFO without a writer does not block the agent: not-a-file, as a folder and a socket', async () => {
    execFileSync('mkfifo', [join(root, 'fifo')])
    const server = createServer().listen(join(root, 'socket'))
    await once(server, 'listening')
    for (const requested of ['sub', '.', 'fifo', 'socket'])
      expect([requested, await code(requested)]).toEqual([requested, 'not-a-file'])
    server.close()
  })

  test('denied, without the right to read', async () => {
    const secret = join(root, 'secret')
    await writeFile(secret, 'x', { mode: 0 })
    const asRoot = process.getuid?.() === 0
    if (asRoot) process.seteuid?.(65_534)
    try {
      expect(await code('secret')).toBe('denied')
    } finally {
      if (asRoot) process.seteuid?.(0)
    }
  })

  test('io-error, when reading fails', async () => {
    const own = { file, roots: ['/proc/self'] }
    const source = await openSource({ requested: 'mem', policy: 'fail', shared: own })
    await expect(source.read(Buffer.alloc(10), 0)).rejects.toMatchObject({ code: 'io-error' })
    await source.close()
  })

  test('a detail names the path, without control characters, and what to do', async () => {
    await expect(opened('no\x1b[2Jne')).rejects.toThrow('"no\ufffd[2Jne" does not exist at the client. Check the name')
    await expect(opened('x'.repeat(4000))).rejects.toThrow(/^"x{399}…" does not exist/)
  })
})

describe('versions', () => {
  const fresh = async (name: string, size = 1000): Promise<string> => {
    const made = join(root, name)
    await writeFile(made, randomBytes(size))
    return made
  }
  const readWhole = async (source: Source): Promise<void> => source.read(Buffer.alloc(source.size), 0)

  test('a file that only lies there', async () => {
    const made = await fresh('still')
    await utimes(made, new Date(), new Date('2020-01-02T03:04:05Z'))
    const [one, two] = [await opened('still'), await opened('still')]
    await readWhole(one)
    await one.check(1000)
    expect(one).toMatchObject({ size: 1000, modified: '2020-01-02T03:04:05.000Z', fresh: false, version: two.version })
    expect(one.version.length).toBeLessThanOrEqual(200)
    await Promise.all([one.close(), two.close()])
  })

  test('fail: any change is noticed', async () => {
    const made = await fresh('changing')
    const source = await opened('changing')
    expect(source.fresh).toBe(true)
    await appendFile(made, 'more')
    await expect(readWhole(source)).rejects.toMatchObject({ code: 'changed' })
    await source.close()
  })

  test('prefix: a log may grow, not shrink', async () => {
    const made = await fresh('log')
    const source = await opened('log', 'prefix')
    await appendFile(made, 'more')
    await readWhole(source)
    await source.check(1000)
    await truncate(made, 999)
    await expect(source.check(1000)).rejects.toMatchObject({ code: 'changed' })
    await expect(readWhole(source)).rejects.toMatchObject({ code: 'changed' })
    await source.close()
  })

  test('size-only: mtimes may wobble, as on network file systems, the size may not', async () => {
    const made = await fresh('wobble')
    const source = await opened('wobble', 'size-only')
    await utimes(made, new Date(), new Date(0))
    await readWhole(source)
    await appendFile(made, 'x')
    await expect(source.check(1000)).rejects.toMatchObject({ code: 'changed' })
    await source.close()
  })

  test('the opened file is read, even when another takes its place', async () => {
    const made = await fresh('replaced')
    await fresh('other')
    const source = await opened('replaced', 'size-only')
    await rename(join(root, 'other'), made)
    await readWhole(source)
    await source.close()
    await unlink(made)
  })

  test('a file that is replaced at the moment of its opening has no other name, which no rule was made for', async () => {
    const made = await fresh('turning.key')
    const rules = createRules({ allow: [], deny: ['*.key'], maxSize: undefined })
    const over = new AbortController()
    const replace = async (): Promise<void> => {
      while (!over.signal.aborted) await rename(await fresh('turning.new'), made)
    }
    const replacing = replace()
    const codes = new Set<unknown>()
    for (let time = 0; time < 3000; time += 1) {
      const opening = openSource({ requested: 'turning.key', policy: 'fail', shared: { ...shared(), rules } })
      codes.add(await opening.then(({ path: read }) => read).catch((error: { code: unknown }) => error.code))
    }
    over.abort()
    await replacing
    expect([...codes].filter((seen) => !['not-allowed', 'not-found', 'changed'].includes(String(seen)))).toEqual([])
  })
})
