import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals'
import { run } from '../helpers/commands.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startProxy } from '../helpers/proxy.ts'
import { makeRelease } from '../helpers/release.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const programs = ['curl', 'openssl', 'dash', 'flock']
const VERSION = '9.8.7-rc.1'

describe('install.sh, where it puts the executable', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let root: Awaited<ReturnType<typeof temporaryFolder>>
  let stack: Stack
  let line: Awaited<ReturnType<typeof startProxy>>

  beforeAll(async () => {
    place = await temporaryFolder()
    const folder = join(place.folder, 'release')
    const noise = randomBytes(1_500_000).toString('base64')
    await makeRelease(folder, { content: Buffer.from(`#!/bin/sh\necho ${VERSION}\nexit\n${noise}`) })
    stack = await startStack({ RELEASES: folder })
    line = await startProxy(stack.url)
  })
  beforeEach(async () => {
    root = await temporaryFolder()
    line.slow(Infinity)
  })
  afterEach(() => root.remove())
  afterAll(async () => {
    await line.close()
    await stack.stop()
    await place.remove()
  })

  const library = (...names: string[]): string => join(root.folder, 'lib', ...names)
  const command = (): string => join(root.folder, 'bin/backhaul-agent')

  /** Runs functions of the script, which it has here in another place. @returns what it printed @throws what it complained of */
  const call = async (functions: string): Promise<string> => {
    const script = await (await fetch(`${line.url}/install.sh`)).text()
    const lines = script.trimEnd().split('\n').slice(0, -1)
    const here = `server=${line.url} library=${library()} command=${command()} unit=${root.folder}/unit`
    const rest = "ca='' pin='' key_file='' platform=linux-x64 work=$(mktemp -d)\ntrap 'rm -rf \"$work\"' EXIT"
    return run('dash', '-c', [...lines, here, rest, functions].join('\n'))
  }
  const install = (): Promise<string> => call('find_release\ninstall_executable')

  testWith({ programs }, 'two at once do not spoil what the other makes', async () => {
    line.slow(100_000)
    const first = install()
    await until(
      'the first to fetch',
      async () =>
        (await readFile(library('download', `backhaul-agent-${VERSION}-linux-x64.gz`)).catch(() => '')).length > 0,
    )
    await expect(install()).rejects.toThrow('another install.sh is at work')
    line.slow(Infinity)
    await first
    expect(await run(command(), '--version')).toBe(`${VERSION}\n`)
    expect(await install()).toContain('is here already')
  })

  testWith({ programs }, 'the one before stays, also when this one is installed again', async () => {
    const before = library('backhaul-agent-9.8.6')
    await mkdir(library())
    await mkdir(join(root.folder, 'bin'))
    for (const file of [before, library('backhaul-agent-9.8.5')]) await writeFile(file, '')
    await symlink(before, command())
    for (const turn of ['an update', 'run again']) {
      await install()
      expect([turn, await run('ls', library())]).toEqual([
        turn,
        `backhaul-agent-9.8.6\nbackhaul-agent-${VERSION}\nbackhaul-agent-${VERSION}.sha256\nlock\n`,
      ])
      expect(await readlink(command())).toBe(library(`backhaul-agent-${VERSION}`))
    }
  })

  testWith({ programs }, 'a service whose command is missing is not said to be removed', async () => {
    await writeFile(join(root.folder, 'unit'), '')
    await expect(call('remove')).rejects.toThrow('its service still is')
    await mkdir(join(root.folder, 'bin'))
    await writeFile(command(), '#!/bin/sh\necho "$@"\n')
    await chmod(command(), 0o755)
    expect(await call('remove')).toBe('service uninstall\n')
  })

  testWith(
    { programs, root: true, probe: 'unshare --mount mount -t tmpfs tmpfs /mnt' },
    'the room on what has spaces in its name is known',
    async () => {
      const script = join(place.folder, 'room')
      const text = await (await fetch(`${line.url}/install.sh`)).text()
      const lines = text.trimEnd().split('\n').slice(0, -1)
      await writeFile(
        script,
        [...lines, "mount -t tmpfs -o size=300m '//nas/1 2 50% of it' /mnt", 'room /mnt'].join('\n'),
      )
      expect(await run('unshare', '--mount', 'dash', script)).toBe('300\n')
    },
  )
})
