import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { readConfig, type AgentConfig } from '../../agent/config.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const read = (argv: string[], env: Record<string, string> = {}): AgentConfig =>
  readConfig({ argv, env, defaultFile: '/home/x/file_to_download.txt', home: '/home/x', version: '1.2.3' })

const mistakes = (argv: string[], env: Record<string, string> = {}): string[] => {
  try {
    read(argv, env)
    return []
  } catch (error) {
    return (error as { mistakes: string[] }).mistakes
  }
}

describe('configuration of the agent', () => {
  test('defaults', () => {
    expect(read(['--id=client1'])).toEqual({
      clientId: 'client1',
      server: 'http://localhost:3000',
      direct: true,
      proxyOf: expect.any(Function),
      file: '/home/x/file_to_download.txt',
      fileIsDefault: true,
      roots: [],
      allow: [],
      deny: [],
      maxSize: undefined,
      tls: { rejectUnauthorized: true },
      enrolToken: undefined,
      keyAge: undefined,
      labels: {},
      chunkSize: undefined,
      limit: { windows: [], otherwise: { rate: Number.POSITIVE_INFINITY } },
      limitFile: undefined,
      stateDir: '/home/x/.local/state/backhaul-agent/client1',
      secrets: [],
      port: 8080,
      logLevel: 'info',
      sample: false,
    })
  })

  test('an enrolment token from systemd is taken where none is given, is never sent, and may be empty', async () => {
    const { folder, remove } = await temporaryFolder()
    try {
      const env = { CREDENTIALS_DIRECTORY: folder }
      const token = join(folder, 'enrol-token')
      expect(read(['--id', 'a'], env)).toMatchObject({ enrolToken: undefined, secrets: [token] })
      await writeFile(token, '')
      expect(read(['--id', 'a'], env).enrolToken).toBeUndefined()
      await writeFile(token, 'bhe_given\n')
      expect(read(['--id', 'a'], env).enrolToken).toBe('bhe_given')
      expect(read(['--id', 'a'], { ...env, ENROL_TOKEN: 'bhe_own' }).enrolToken).toBe('bhe_own')
      await writeFile(token, 'two words')
      expect(mistakes(['--id', 'a'], env)).toEqual([expect.stringMatching(/enrol-token holds no enrolment token/)])
    } finally {
      await remove()
    }
  })

  test('flags in both forms win over variables, lists are joined', () => {
    const config = read(
      [
        '--id',
        'a',
        '--file=/f',
        '--root',
        '/r1',
        '--root=/r2/',
        '--label',
        'region=west',
        '--label=k=a=b',
        '--chunk-size',
        '512KiB',
        '--port=0',
      ],
      {
        CLIENT_ID: 'b',
        ROOTS: '/r2:/r3',
        LABELS: 'region=east, kind=till',
        CHUNK_SIZE: '1MB',
        CLIENT_PORT: '1',
        STATE_DIR: '/s',
        LOG_LEVEL: 'debug',
      },
    )
    expect(config).toMatchObject({ clientId: 'a', file: '/f', fileIsDefault: false, roots: ['/r1', '/r2', '/r3'] })
    expect(config).toMatchObject({ chunkSize: 524_288, port: 0, stateDir: '/s', logLevel: 'debug' })
    expect(config.labels).toEqual({ region: 'west', kind: 'till', k: 'a=b' })
  })

  test('variables alone, as containers and services set them', () => {
    expect(
      read([], { CLIENT_ID: 'restaurant_1', SERVER_URL: 'wss://b.example/base//', CLIENT_PORT: 'off', FILE: '/f' }),
    ).toMatchObject({
      clientId: 'restaurant_1',
      server: 'https://b.example/base',
      port: undefined,
      file: '/f',
    })
  })

  test.each([
    ['1048576', 1_048_576],
    ['1MiB', 1_048_576],
    ['1MB', 1_000_000],
    ['64 kib', 65_536],
  ])('a chunk size of %s', (text, bytes) => {
    expect(read(['--id=a', '--chunk-size', text]).chunkSize).toBe(bytes)
  })

  test('a limit, as a flag or a variable, and the file that it may be in', () => {
    expect(read(['--id=a', '--limit', '2mbit'], { LIMIT: '1mbit' }).limit.otherwise).toEqual({ rate: 250_000 })
    expect(read(['--id=a'], { LIMIT: 'off', LIMIT_FILE: '/etc/backhaul/limit' })).toMatchObject({
      limit: { otherwise: { rate: 0 } },
      limitFile: '/etc/backhaul/limit',
    })
    expect(mistakes(['--id=a', '--limit=mon-fri 2mb', '--limit-file'])).toEqual([
      '--limit (LIMIT) must say whether bits or bytes are meant, as 2mbit or 2MB do, and not "2mb"',
      '--limit-file needs a value',
    ])
  })

  test('the state folder: systemd, then XDG', () => {
    expect(read(['--id=a'], { STATE_DIRECTORY: '/var/lib/a:/var/lib/b', XDG_STATE_HOME: '/x' }).stateDir).toBe(
      '/var/lib/a',
    )
    expect(read(['--id=a'], { XDG_STATE_HOME: '/x' }).stateDir).toBe('/x/backhaul-agent/a')
  })

  test('--sample brings an id', () => {
    expect(read(['--sample'])).toMatchObject({ clientId: 'client-1', sample: true })
    expect(read(['--sample'], { CLIENT_ID: 'restaurant_1' }).clientId).toBe('restaurant_1')
  })

  test('every mistake at once, by name', () => {
    const found = mistakes(
      [
        '--server',
        'localhost:3000',
        '--chunk-size=3',
        '--port',
        '70000',
        '--label',
        'west',
        '--label',
        '!=x',
        '--bogus',
        '--root',
        '--file',
      ],
      { LOG_LEVEL: 'loud' },
    )
    expect(found).toEqual([
      '--id (CLIENT_ID) is missing: every site needs an id of its own, such as --id restaurant_1',
      '--server (SERVER_URL) must be a URL such as http://localhost:3000, not "localhost:3000"',
      '--chunk-size (CHUNK_SIZE) must be at least 1024 bytes, not "3"',
      '--port (CLIENT_PORT) must be a port from 0 to 65535, or off, not "70000"',
      'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud"',
      '--root needs a folder',
      '--label (LABELS) must read key=value, not "west"',
      expect.stringContaining('--label (LABELS) !: '),
      '--bogus is not known; --help lists what is',
      '--file needs a value',
    ])
  })

  test.each(['../x', '-a', 'a b', 'ü', 'x'.repeat(65)])('the id %s is refused', (id) => {
    expect(mistakes([`--id=${id}`])).toEqual([expect.stringContaining('--id (CLIENT_ID) must be 1 to 64')])
  })

  test.each(['ftp://user:hidden@hub', 'https://user:hidden@hub/?x', 'https://user:hid@den@hub/#x'])(
    'what is wrong with %s is told without its password',
    (server) => {
      const [mistake = ''] = mistakes(['--id=a', '--server', server])
      expect(mistake).toMatch(/^--server .*\/\/hub/)
      expect(mistake).not.toMatch(/user|hid/)
    },
  )

  test('a file of authorities in which there is none is a mistake: nothing could be trusted', () => {
    const empty = ['--id=a', '--server=https://hub', '--ca=/dev/null']
    expect(mistakes(empty)).toEqual(['--ca (CA_FILE) holds no certificate in PEM form'])
  })
})
