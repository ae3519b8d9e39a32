import { execFile } from 'node:child_process'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect } from '@jest/globals'
import { makeDeb, type Deb } from '../../packaging/deb.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'

const run = promisify(execFile)
let place: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => void (place = await temporaryFolder()))
afterEach(() => place.remove())

testWith(
  { programs: ['dpkg-deb'] },
  'a package holds what it was told, as root and for everybody, and is the same again',
  async () => {
    const program = join(place.folder, 'program')
    await cp('/bin/true', program)
    const deb: Deb = {
      name: 'backhaul-test',
      version: '1.2.3',
      architecture: 'amd64',
      depends: 'libc6',
      summary: 'a test',
      description: ['one line', '', 'another'],
      copyright: 'nobody\n',
      files: [
        { path: '/usr/bin/backhaul-test', mode: 0o755, content: { from: program } },
        { path: '/etc/backhaul-test/env', mode: 0o600, content: 'A=1\n', setting: true },
      ],
      scripts: { postrm: '#!/bin/sh\nexit 0\n' },
    }
    const [one, two] = [join(place.folder, 'one.deb'), join(place.folder, 'two.deb')]
    const mask = process.umask(0o077)
    await makeDeb(deb, one)
    process.umask(mask)
    await makeDeb(deb, two)
    expect((await readFile(one)).equals(await readFile(two))).toBe(true)
    const { stdout: listed } = await run('dpkg-deb', ['--contents', one])
    const rights = listed
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([mode, owner, , , , path]) => `${mode} ${owner} ${path}`)
    expect(rights).toEqual(
      expect.arrayContaining([
        'drwxr-xr-x root/root ./etc/backhaul-test/',
        '-rw------- root/root ./etc/backhaul-test/env',
        '-rwxr-xr-x root/root ./usr/bin/backhaul-test',
        '-rw-r--r-- root/root ./usr/share/doc/backhaul-test/copyright',
      ]),
    )
    const { stdout: fields } = await run('dpkg-deb', ['--field', one])
    expect(fields).toContain('\nDescription: a test\n one line\n .\n another\n')
    const extracted = join(place.folder, 'control')
    await run('dpkg-deb', ['--control', one, extracted])
    expect(await readFile(join(extracted, 'conffiles'), 'utf8')).toBe('/etc/backhaul-test/env\n')
    expect(await readFile(join(extracted, 'md5sums'), 'utf8')).toMatch(/^[0-9a-f]{32}  usr\/bin\/backhaul-test\n/)
  },
)

testWith({ programs: ['dpkg-deb'] }, 'what comes before a version is older for Debian, too', async () => {
  const versionOf = async (version: string): Promise<string> => {
    const to = join(place.folder, 'made.deb')
    const empty = { depends: 'libc6', summary: 'a test', description: [], copyright: '', files: [], scripts: {} }
    await makeDeb({ name: 'backhaul-test', version, architecture: 'amd64', ...empty }, to)
    return (await run('dpkg-deb', ['--field', to, 'Version'])).stdout.trim()
  }
  const [candidate, release] = [await versionOf('1.0.0-rc.1'), await versionOf('1.0.0')]
  await run('dpkg', ['--compare-versions', candidate, 'lt', release])
})
