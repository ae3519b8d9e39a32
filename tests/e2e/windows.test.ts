import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'
import { windowsWhere, type Windows, type WindowsProcess } from '../helpers/wine.ts'

const SECRET = 'nobody shared this'
const { made, needs } = await windowsWhere({ programs: ['wine', 'npm', 'tar'], long: true })

// Node for Windows on Wine, with file systems that know no case, and Windows' own errors.
describe('an agent on Windows', () => {
  let stack: Stack
  let windows: Windows
  let agent: WindowsProcess

  beforeAll(async () => {
    if (made === undefined) return
    windows = made
    stack = await startStack()
    const at = (...names: string[]): string => join(windows.drive, ...names)
    await mkdir(at('shared', 'Sub Folder'), { recursive: true })
    await mkdir(at('shared', 'Private'))
    await mkdir(at('shared-not'))
    await mkdir(at('outside'))
    await writeFile(at('shared', 'Sub Folder', 'Report.TXT'), 'for everybody')
    await writeFile(at('shared', 'büro.txt'), 'for everybody')
    await writeFile(at('shared', 'busy.txt'), 'for everybody')
    await writeRandom(at('shared', 'large.txt'), 20 * 1024 * 1024)
    for (const name of ['shared/Denied.Key', 'shared/Private/p.txt', 'shared/not named.bin', 'shared-not/s.txt'])
      await writeFile(at(name), SECRET)
    await writeFile(at('outside', 'secret.txt'), SECRET)
    agent = await windows.start('agent/main.ts', [
      '--id',
      'till',
      '--server',
      stack.url,
      '--port',
      'off',
      '--file',
      'C:\\default.txt',
      '--root',
      'c:/SHARED',
      '--allow',
      '**/*.txt',
      '--deny',
      '*.key',
      '--deny',
      'C:\\shared\\private\\**',
    ])
    await until('the agent to be online', async () => {
      const { status } = await stack.get('/clients/till')
      return status === 'online'
    })
  }, 120_000)
  afterAll(async () => {
    await windows?.stop()
    await agent?.exited
    await stack?.stop()
  })

  const outcome = async (path: string | undefined) => {
    const { id } = await stack.ask({ clientId: 'till', ...(path === undefined ? {} : { path }) })
    return stack.ended(id, 30_000)
  }

  testWith(
    needs,
    'sends what is shared, whichever way Windows writes its path',
    async () => {
      const paths = [
        'Sub Folder/Report.TXT',
        'sub folder\\report.txt',
        'C:\\shared\\Sub Folder\\Report.TXT',
        'c:/SHARED/SUB FOLDER/REPORT.TXT',
        '\\\\?\\C:\\shared\\Sub Folder\\Report.TXT',
        'Private\\..\\Sub Folder\\.\\Report.TXT',
        'büro.txt',
        'BÜRO.TXT',
        'large.txt',
      ]
      for (const path of paths) expect([path, await outcome(path)]).toMatchObject([path, { status: 'completed' }])
    },
    60_000,
  )

  testWith(
    needs,
    'sends nothing else',
    async () => {
      const paths = [
        ['..\\outside\\secret.txt', '../outside/secret.txt', 'C:\\outside\\secret.txt', '\\outside\\secret.txt'],
        [
          'C:..\\outside\\secret.txt',
          'C:outside\\secret.txt',
          '\\\\?\\C:\\outside\\secret.txt',
          '//?/C:/outside/secret.txt',
        ],
        [
          '\\\\?\\C:\\shared\\..\\outside\\secret.txt',
          '\\??\\C:\\outside\\secret.txt',
          '\\\\.\\C:\\outside\\secret.txt',
        ],
        [
          '\\\\localhost\\C$\\outside\\secret.txt',
          '\\\\?\\UNC\\localhost\\C$\\outside\\secret.txt',
          '\\\\server\\share\\x.txt',
        ],
        ['C:\\shared-not\\s.txt', '..\\shared-not\\s.txt', 'Z:\\etc\\passwd', '/etc/passwd', 'C:\\windows\\win.ini'],
        // What is denied, by its other names.
        [
          'Denied.Key',
          'DENIED.KEY',
          'denied.key.',
          'denied.key ',
          'Denied.Key::$DATA',
          'denied.key:x.txt',
          'DENIED~1.KEY',
        ],
        ['Private\\p.txt', 'PRIVATE/P.TXT', 'private::$INDEX_ALLOCATION\\p.txt', 'private.\\p.txt', 'private \\p.txt'],
        ['not named.bin', 'NOTNAM~1.BIN', 'Sub Folder', 'busy.txt\\x'],
        // Devices, with and without what looks like a folder or a kind.
        [
          'NUL',
          'con',
          'COM1',
          'nul.txt',
          'Sub Folder\\aux.txt',
          'lpt¹.txt',
          'CONIN$',
          '\\\\.\\pipe\\x',
          '\\\\.\\PhysicalDrive0',
        ],
        ['*.txt', 'busy?.txt', '<.txt', 'a|b.txt', 'tab\t.txt', '\\\\?\\GLOBALROOT\\Device\\Null'],
      ].flat()
      expect(paths.length).toBeGreaterThanOrEqual(45)
      for (const path of paths) {
        const { status, reason } = await outcome(path)
        expect([path, status, ['not-allowed', 'not-found', 'not-a-file'].includes(reason)]).toEqual([
          path,
          'failed',
          true,
        ])
      }
      for (const name of await readdir(stack.downloads))
        if (!name.startsWith('.')) expect(await readFile(join(stack.downloads, name), 'latin1')).not.toContain(SECRET)
    },
    120_000,
  )

  testWith(
    needs,
    'says of a file that another program has for itself that it is locked',
    async () => {
      const holder = await windows.start('tests/helpers/hold-file.ts', ['hold', 'C:\\shared\\busy.txt'])
      await until('the file to be held', async () => (await holder.output()).includes('held'))
      expect(await outcome('busy.txt')).toMatchObject({ status: 'failed', reason: 'locked' })
    },
    60_000,
  )

  testWith(
    needs,
    'replaces a file that is held for a moment',
    async () => {
      await writeFile(join(windows.drive, 'old.json'), 'old')
      await writeFile(join(windows.drive, 'new.json'), 'new')
      const renaming = await windows.start('tests/helpers/hold-file.ts', [
        'rename',
        'C:\\new.json',
        'C:\\old.json',
        '300',
      ])
      await renaming.exited
      expect(await renaming.output()).toContain('renamed')
      expect(await readFile(join(windows.drive, 'old.json'), 'utf8')).toBe('new')
    },
    60_000,
  )

  testWith(
    needs,
    'keeps what it must remember with the programs of its user',
    async () => {
      await outcome('büro.txt')
      const state = join(windows.drive, 'users', 'root', 'AppData', 'Local', 'backhaul-agent', 'till')
      expect((await readdir(state)).toSorted()).toEqual(expect.arrayContaining(['reads.log', 'state.json']))
      expect(await readFile(join(state, 'reads.log'), 'utf8')).toContain('C:\\\\shared\\\\büro.txt')
      expect(await agent.output()).not.toMatch(/cannot|EPERM|unexpected/)
    },
    60_000,
  )
})
