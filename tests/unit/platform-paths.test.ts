import { mkdir, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { array, assert, constantFrom, property } from 'fast-check'
import { locate } from '../../agent/allow.ts'
import { readConfig, type AgentConfig } from '../../agent/config.ts'
import { pathRulesOf } from '../../agent/platform/paths.ts'
import { createRules } from '../../agent/rules.ts'
import { changeVariables, readVariables } from '../../agent/service/env-file.ts'
import { openSource } from '../../agent/source.ts'
import { platformOf } from '../../shared/platform.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const windows = pathRulesOf('win32')
const macos = pathRulesOf('darwin')

const config = (platform: NodeJS.Platform, argv: string[], env: Record<string, string> = {}): AgentConfig => {
  const home = platform === 'win32' ? 'C:\\Users\\ann' : '/Users/ann'
  return readConfig({
    argv: ['--id', 'a', ...argv],
    env,
    defaultFile: `${home}/f.txt`,
    home,
    version: '1.2.3',
    platform,
  })
}

// The drives are not there: what is taken for shared is looked for and not found, all else is refused before it is looked at.
describe('paths of Windows', () => {
  const shared = {
    file: 'D:\\till\\day.csv',
    roots: ['C:\\Data', '\\\\nas\\share\\in'],
    paths: windows,
  }
  const codeOf = (path: string): Promise<string> =>
    locate(path, shared).then(
      () => 'found',
      (error: unknown) => (error as { code: string }).code,
    )

  test.each([
    ['C:\\Data\\a.csv', 'c:/data/A.CSV', '\\\\?\\c:\\DATA\\a.csv', '//?/C:/Data/a.csv', 'C:\\Data\\x\\..\\a.csv'],
    ['a.csv', 'x\\a.csv', 'x/a.csv', '.\\a.csv', 'x\\..\\..\\Data\\a.csv', 'config\\a', 'common.txt', 'nul-1.txt'],
    [
      '\\\\nas\\share\\in\\a.csv',
      '//NAS/Share/In/a.csv',
      '\\\\?\\UNC\\nas\\share\\in\\a.csv',
      'DAY.csv',
      'd:/TILL/day.csv',
    ],
  ])('lead into what is shared', async (...paths) => {
    for (const path of paths) expect([path, await codeOf(path)]).toEqual([path, 'not-found'])
  })

  test.each([
    // Outside, and beside.
    [
      'C:\\',
      'C:\\Data2\\a',
      'C:\\Data.\\a',
      '..\\a',
      'x\\..\\..\\a',
      'C:\\Data\\..\\a',
      'D:\\till',
      'D:\\till\\day.csv\\x',
    ],
    ['\\\\nas\\share', '\\\\nas\\share\\inner\\a', '\\\\nas\\other\\in\\a', '\\\\evil\\share\\a', '//evil/share/a'],
    ['\\\\?\\UNC\\evil\\share\\a', '\\\\?\\C:\\Data\\..\\a', 'E:\\Data\\a.csv', '/etc/passwd'],
    // Drives without a folder, other worlds of names, pipes and devices.
    [
      'C:',
      'C:a.csv',
      'C:..\\a',
      '\\\\.\\C:\\Data\\a.csv',
      '\\??\\C:\\Data\\a.csv',
      '\\\\?\\Volume{1}\\a',
      '\\\\.\\pipe\\a',
    ],
    [
      '\\\\.\\PhysicalDrive0',
      '\\\\?\\GLOBALROOT\\Device\\Null',
      'NUL',
      'nul',
      'C:\\Data\\NUL',
      'aux.txt',
      'x\\con.tar.gz',
    ],
    ['COM1', 'com¹', 'lpt9.log', 'prn .txt', 'CONIN$', 'conout$', 'x\\com0'],
    // The same file by names that a rule would not know, and what no name can hold.
    [
      'a.csv::$DATA',
      'a.csv:stream',
      'C:\\Data\\a.csv:s:$DATA',
      'x::$INDEX_ALLOCATION\\a',
      'x:$I30:$INDEX_ALLOCATION\\a',
    ],
    ['a.csv.', 'a.csv ', 'a.csv. .', 'x.\\a.csv', 'x \\a.csv', '...', 'a\u0000b', 'a\u0007b'],
    ['*.csv', 'a?.csv', 'a<b', 'a>b', 'a|b', 'a"b'],
  ])('that are refused', async (...paths) => {
    for (const path of paths) expect([path, await codeOf(path)]).toEqual([path, 'not-allowed'])
  })

  test('whatever is asked for, what is looked for lies in what is shared, and has no name that is more than a name', () => {
    const piece = constantFrom(
      '..',
      '.',
      'x',
      'CON',
      'a.',
      'b ',
      'c:d',
      'C:',
      '\\',
      '/',
      '\\\\',
      '?',
      'Data',
      '',
      'UNC',
    )
    assert(
      property(array(piece, { maxLength: 8 }), (pieces) => {
        const plain = windows.plain(pieces.join('\\'))
        if (plain === undefined) return
        const names = windows.namesOf(windows.path.resolve('C:\\Data', plain)).slice(1)
        expect(names.filter((name) => /[:?*<>|"]|[. ]$|^con$/i.test(name))).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  test("a link's target is whole, whichever way it is written", () => {
    expect(windows.whole('\\x\\y', 'C:\\Data\\z')).toBe('C:\\x\\y')
    expect(windows.whole('D:\\x', 'C:\\Data')).toBe('D:\\x')
    expect(windows.whole('\\\\nas\\share\\x', 'C:\\Data')).toBe('\\\\nas\\share\\x')
    expect(windows.whole('\\x', '\\\\nas\\share\\in')).toBe('\\\\nas\\share\\x')
    expect(windows.canonical('c:\\Data')).toBe('C:\\Data')
  })

  test('rules know no case, and both slashes', () => {
    const rules = createRules({
      allow: ['*.csv'],
      deny: ['C:\\Data\\private\\**', '/nas/share/in/*'],
      maxSize: undefined,
      paths: windows,
    })
    const check = (real: string) => () => rules.check({ real, isDefault: false, size: 1, shown: real })
    expect(check('C:\\Data\\A.CSV')).not.toThrow()
    for (const real of [
      'C:\\Data\\a.txt',
      'C:\\DATA\\Private\\a.csv',
      'C:\\data\\private\\x\\a.csv',
      '\\\\NAS\\share\\in\\a.csv',
    ])
      expect(check(real)).toThrow(expect.objectContaining({ code: 'not-allowed' }))
  })

  test.each([
    ['C:\\Program Files (x86)\\POS\\private\\**', 'C:\\Program Files (x86)\\POS\\private\\a.csv'],
    ['(old)\\*', 'D:\\x\\(OLD)\\a.csv'],
    ['\\POS\\private\\**', 'C:\\POS\\private\\a.csv'],
    ['/POS/private', 'c:\\pos\\private\\a.csv'],
  ])('--deny %s means what it says', (glob, real) => {
    const rules = createRules({ allow: [], deny: [glob], maxSize: undefined, paths: windows })
    expect(() => rules.check({ real, isDefault: false, size: 1, shown: real })).toThrow('--deny')
  })

  test('settings have drives in them, so a semicolon separates', () => {
    const env = { ROOTS: 'C:\\Data;d:/till/;\\\\nas\\share\\in', DENY: 'C:\\Data\\x\\*;*.key', LOCALAPPDATA: 'C:\\L' }
    expect(config('win32', ['--file', 'C:/f.txt'], env)).toMatchObject({
      roots: ['C:\\Data', 'd:\\till\\', '\\\\nas\\share\\in'].map((root) => windows.path.resolve(root)),
      deny: ['C:\\Data\\x\\*', '*.key'],
      file: 'C:\\f.txt',
      stateDir: 'C:\\L\\backhaul-agent\\a',
    })
    expect(config('win32', []).stateDir).toBe('C:\\Users\\ann\\AppData\\Local\\backhaul-agent\\a')
  })
})

describe('paths of macOS', () => {
  test('a name is the same in both ways to write its accents, and in capitals', async () => {
    const { folder, remove } = await temporaryFolder()
    try {
      await mkdir(join(folder, 'caf\u00e9'))
      await writeFile(join(folder, 'caf\u00e9', 'a'), '')
      const shared = { file: join(folder, 'none'), roots: [join(folder, 'caf\u00e9')], paths: macos }
      for (const name of ['cafe\u0301', 'CAF\u00c9', 'caf\u00e9'])
        expect(await locate(join(folder, name, 'a'), shared)).toBe(join(folder, 'caf\u00e9', 'a'))
    } finally {
      await remove()
    }
  })

  test('rules know both ways, too', () => {
    const rules = createRules({ allow: [], deny: ['geh\u00e4lter/**'], maxSize: undefined, paths: macos })
    for (const real of ['/x/geh\u00e4lter/a', '/x/geha\u0308lter/a', '/x/GEHA\u0308LTER/a'])
      expect(() => rules.check({ real, isDefault: false, size: 1, shown: '' })).toThrow('--deny')
  })

  test('what must be remembered lies in the Library', () => {
    expect(config('darwin', []).stateDir).toBe('/Users/ann/Library/Application Support/backhaul-agent/a')
  })

  // There is no /proc to ask for the path of an opened file.
  test('a folder that is swapped for a link again and again lets nothing out', async () => {
    const { folder, remove } = await temporaryFolder()
    const real = join(folder, 'shared', 'turning')
    await mkdir(real, { recursive: true })
    await mkdir(join(folder, 'outside'))
    await writeFile(join(real, 'a'), 'shared')
    await writeFile(join(folder, 'outside', 'a'), 'SECRET')
    const over = new AbortController()
    const swap = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await rename(real, join(folder, 'aside'))
        await symlink(join(folder, 'outside'), real)
        await rename(real, join(folder, 'gone'))
        await rename(join(folder, 'aside'), real)
        // As it should be, for a different while each time.
        for (let looks = Math.random() * 200; looks > 0; looks -= 1) await stat(real)
      }
    }
    const swapping = swap()
    let sent = 0
    for (let asked = 0; asked < 1000 || sent < 10; asked += 1) {
      const shared = { file: join(folder, 'none'), roots: [join(folder, 'shared')], paths: macos }
      const source = await openSource({ requested: 'turning/a', policy: 'fail', shared }).catch(() => undefined)
      if (!source) continue
      const bytes = Buffer.alloc(source.size)
      await source.read(bytes, 0)
      await source.close()
      expect(bytes.toString()).toBe('shared')
      sent += 1
    }
    over.abort()
    await swapping
    await remove()
  }, 60_000)
})

test('variables in a file are settings, but for those of the environment', async () => {
  const { folder, remove } = await temporaryFolder()
  try {
    const path = join(folder, 'agent.env')
    await writeFile(path, '# a comment\nSERVER_URL=https://b.example\nROOTS="/a\\\\b:/x y"\nLABELS=a=b\n')
    const read = config('linux', ['--settings', path], { LABELS: 'c=d' })
    expect(read).toMatchObject({ server: 'https://b.example', roots: ['/a\\b', '/x y'], labels: { c: 'd' } })
    // It can hold the password of a proxy.
    expect(read.secrets).toHaveLength(1)
    expect(() => config('linux', ['--settings', join(folder, 'none')])).toThrow('--settings cannot be read')
    expect(() => config('linux', ['--settings'])).toThrow('--settings needs a value')
    await writeFile(path, 'ROOTS=/srv\r\nDENY=*.key\r\n')
    expect(config('linux', ['--settings', path])).toMatchObject({ roots: ['/srv'], deny: ['*.key'] })
  } finally {
    await remove()
  }
})

// What is denied there must not get lost.
test('settings are read as an editor on Windows leaves them', () => {
  const text = '\ufeffROOTS=C:\\POS;\\\\nas\\in\r\nDENY=C:\\POS\\private\\**\r\nFILE="C:\\\\x y"\r\n'
  expect(readVariables(text, 'win32')).toEqual({
    ROOTS: 'C:\\POS;\\\\nas\\in',
    DENY: 'C:\\POS\\private\\**',
    FILE: 'C:\\x y',
  })
  expect(changeVariables('A=1\r\nB=2\r\n', { A: '3' })).toBe('A=3\nB=2\n')
})

test('Windows has signals of its own, and no modes', () => {
  expect(platformOf('win32')).toMatchObject({ stopSignals: ['SIGINT', 'SIGBREAK', 'SIGHUP'], hasModes: false })
  expect(platformOf('darwin')).toMatchObject({ stopSignals: ['SIGTERM', 'SIGINT'], hasModes: true })
})
