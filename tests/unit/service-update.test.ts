import { execFileSync } from 'node:child_process'
import {
  access,
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { pathsUnder, type ServicePaths } from '../../agent/service/paths.ts'
import type { Systemd, UnitState } from '../../agent/service/systemd.ts'
import { update } from '../../agent/service/update/update.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { makeSigned, script } from '../helpers/signed.ts'

const PLATFORM = 'linux-x64'
const OLD = '0.2.0'
const NEW = '0.3.0'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let paths: ServicePaths
let said: string[]

/** The service of a machine that has none: what gets as far as a restart ends here, as in a power cut. */
const unplugged: Systemd = {
  control: () => Promise.reject(new Error('the power is cut')),
  state: () => Promise.reject(new Error('the power is cut')),
  lines: () => Promise.resolve([]),
}

/** As systemd tells of a service that runs what the link names; each restart is noted. */
const restarts: string[] = []
const unit: UnitState = {
  active: 'active',
  result: '',
  exitStatus: '0',
  since: '',
  restarts: 0,
  invocation: 'x',
  words: '',
}
const plugged = (told: string): Systemd => ({
  async control(verb) {
    if (verb === 'restart') restarts.push(await readlink(paths.update.command))
  },
  state: () => Promise.resolve({ ...unit, active: told === 'failed' ? 'failed' : 'active', words: told }),
  lines: () => Promise.resolve([]),
})

const run = (systemd: Systemd = unplugged, platform = PLATFORM): Promise<boolean> =>
  update({ paths, systemd, version: OLD, platform, withinMs: 0, staysMs: 0, say: (line) => said.push(line) })

const staged = (name = ''): string => join(paths.update.staged, name)
const packed = (version: string, platform = PLATFORM): string => `backhaul-agent-${version}-${platform}.gz`
const order = (version: string, id = 'order-1'): Promise<void> =>
  writeFile(staged('ready'), JSON.stringify({ id, version }))
const outcome = async (): Promise<Record<string, string>> => JSON.parse(await readFile(paths.update.outcome, 'utf8'))
const there = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** What the agent has fetched. */
const stage = (version: string, more: Partial<Parameters<typeof makeSigned>[1]> = {}): Promise<string> =>
  makeSigned(staged(), { version, content: script(version), keyFile: join(place.folder, 'key'), ...more })

beforeEach(async () => {
  place = await temporaryFolder()
  paths = pathsUnder(join(place.folder, 'root'))
  said = []
  restarts.length = 0
  const { library, command, updater, key } = paths.update
  for (const folder of [library, dirname(command), dirname(key), staged()]) await mkdir(folder, { recursive: true })
  const old = join(library, `backhaul-agent-${OLD}`)
  await writeFile(old, script(OLD), { mode: 0o755 })
  for (const link of [command, updater]) await symlink(old, link)
  await writeFile(paths.env, 'CLIENT_ID=till\nCLIENT_PORT=off\n')
  await writeFile(key, await stage(NEW))
  await order(NEW)
})
afterEach(() => place.remove())

/** Nothing but the word of what happened is there that was not before. */
async function expectRefused(why: RegExp): Promise<void> {
  expect(await run()).toBe(false)
  const { id, outcome: how, detail } = await outcome()
  expect([id, how, detail]).toEqual(['order-1', 'refused', expect.stringMatching(why)])
  expect(await readlink(paths.update.command)).toMatch(OLD)
  expect(await readdir(paths.update.library)).toEqual([`backhaul-agent-${OLD}`, 'updater'])
  expect(await readdir(paths.update.own)).toEqual(['outcome.json'])
  // It ends there: the same order is not looked at again.
  expect(await run()).toBe(true)
  expect(said.at(-1)).toMatch(/has ended before/)
}

describe("root's part of an update", () => {
  test('installs what is signed and newer, and goes on with it after a power cut', async () => {
    await expect(run()).rejects.toThrow('the power is cut')
    const file = join(paths.update.library, `backhaul-agent-${NEW}`)
    expect(await readlink(paths.update.command)).toBe(file)
    expect(await readlink(paths.update.updater)).toMatch(OLD)
    expect(execFileSync(file, ['--version'], { encoding: 'utf8' })).toBe(`${NEW}\n`)
    expect((await readFile(`${file}.sha256`, 'utf8')).trim()).toBe(
      (await readFile(staged('SHA256SUMS'), 'utf8')).slice(0, 64),
    )
    expect(await there(paths.update.outcome)).toBe(false)
    // The agent has nothing to say in it any more.
    await rm(staged(), { recursive: true })
    expect(await run(plugged('connected to https://hub.example'))).toBe(true)
    expect(await outcome()).toMatchObject({ id: 'order-1', version: NEW, outcome: 'installed' })
    expect(await readlink(paths.update.updater)).toBe(file)
    expect(restarts).toEqual([file])
    expect(await readdir(paths.update.own)).toEqual(['outcome.json'])
  })

  test('goes on wherever the power was cut', async () => {
    await expect(run()).rejects.toThrow('the power is cut')
    const trial = await readFile(paths.update.trial)
    const file = await readlink(paths.update.command)
    const installed = async (): Promise<void> => {
      expect(await run(plugged('connected to https://hub.example'))).toBe(true)
      expect((await outcome())['outcome']).toBe('installed')
      expect([await readlink(paths.update.command), await readlink(paths.update.updater)]).toEqual([file, file])
      expect(await there(paths.update.trial)).toBe(false)
    }
    // Before the link was swapped.
    await rm(paths.update.command)
    await symlink(join(paths.update.library, `backhaul-agent-${OLD}`), paths.update.command)
    await writeFile(`${paths.update.command}.new`, '')
    await installed()
    // Before it was noted that all is well.
    await writeFile(paths.update.trial, trial)
    await installed()
    expect(await readdir(dirname(paths.update.command))).toEqual(['backhaul-agent'])
  })

  test.each([
    ['failed', 'it ended with exit status 0'],
    ['agent starting', 'it did not reach its server within 0 s'],
  ])('goes back when the new one has only "%s" to say', async (told, why) => {
    expect(await run(plugged(told))).toBe(false)
    const { outcome: how, detail } = await outcome()
    expect(how).toBe('rolled-back')
    expect(detail).toContain(`${NEW} was installed and did not work: ${why}`)
    expect(await readlink(paths.update.command)).toMatch(OLD)
    expect(restarts.map((file) => file.slice(-5))).toEqual([NEW, OLD])
    expect(await readdir(paths.update.library)).toEqual([`backhaul-agent-${OLD}`, 'updater'])
    // Only another order has it tried again.
    expect(await run(unplugged)).toBe(true)
    await order(NEW, 'order-2')
    await expect(run(unplugged)).rejects.toThrow('the power is cut')
  })

  test('goes back whole when the power was cut just before it was noted that all is well, and the server is gone then', async () => {
    await expect(run()).rejects.toThrow('the power is cut')
    await rm(paths.update.updater)
    await symlink(await readlink(paths.update.command), paths.update.updater)
    expect(await run(plugged('failed'))).toBe(false)
    // What carries out updates is there.
    for (const link of [paths.update.command, paths.update.updater])
      expect(execFileSync(link, ['--version'], { encoding: 'utf8' })).toBe(`${OLD}\n`)
  })

  test.each([
    ['failed', OLD],
    ['connected to https://hub.example', NEW],
  ])('ends where that cannot be written down: of one that is %s, %s stays', async (told, stays) => {
    await expect(run()).rejects.toThrow('the power is cut')
    await mkdir(paths.update.outcome)
    expect(await run(plugged(told))).toBe(stays === NEW)
    expect(restarts.at(-1)).toMatch(stays)
    expect(await readlink(paths.update.command)).toMatch(stays)
    expect(await there(paths.update.trial)).toBe(false)
    expect(said.some((line) => line.startsWith(`cannot write down what became of ${NEW}`))).toBe(true)
  })

  test('goes back where systemd does not tell how it is, instead of trying it for ever', async () => {
    const mute: Systemd = { ...plugged('connected'), lines: () => Promise.reject(new Error('there is no journal')) }
    expect(await run(mute)).toBe(false)
    expect((await outcome())['detail']).toContain('nobody can tell whether it runs: there is no journal')
    expect(await readlink(paths.update.command)).toMatch(OLD)
    expect(await there(paths.update.trial)).toBe(false)
  })

  test('leaves alone what somebody has installed by hand meanwhile', async () => {
    await expect(run()).rejects.toThrow('the power is cut')
    const other = join(paths.update.library, 'backhaul-agent-9.0.0')
    await rm(paths.update.command)
    await symlink(other, paths.update.command)
    expect(await run(unplugged)).toBe(true)
    expect((await outcome())['detail']).toMatch(/by hand/)
    expect(await readlink(paths.update.command)).toBe(other)
  })

  test('refuses what another key has signed, and what was changed after that', async () => {
    await stage(NEW, { keyFile: join(place.folder, 'other-key') })
    await expectRefused(/the signature of the release is wrong/)
    await rm(paths.update.outcome)
    await stage(NEW)
    await appendFile(staged('SHA256SUMS'), '\n')
    await expectRefused(/the signature of the release is wrong/)
  })

  test.each([
    ['older', '0.1.9', /0\.1\.9 is not newer than 0\.2\.0/],
    ['as old', OLD, /never goes back/],
    ['a preview of what is here', `${OLD}-rc.1`, /never goes back/],
    ['no version', 'latest', /never goes back/],
  ])('refuses what is %s, whoever signed it', async (_, version, why) => {
    await stage(version)
    await order(version)
    await expectRefused(why)
  })

  test('refuses what is meant for another machine, and what is not in the list', async () => {
    await stage(NEW, { platform: 'linux-arm64' })
    await copyFile(staged(packed(NEW, 'linux-arm64')), staged(packed(NEW)))
    await expectRefused(/the signed release has no backhaul-agent-0\.3\.0-linux-x64\.gz/)
  })

  test('refuses an executable that is not the one that was signed, or says another version', async () => {
    await writeFile(staged(packed(NEW)), Buffer.from('not it'))
    await expectRefused(/is not what was signed/)
    await rm(paths.update.outcome)
    await stage(NEW, { content: script('0.9.9') })
    await expectRefused(/the executable of 0\.3\.0 does not run here: 0\.9\.9/)
  })

  test('refuses where the site takes no updates', async () => {
    await appendFile(paths.env, 'UPDATES=off\n')
    await expectRefused(/does not take updates/)
  })

  test.each([
    ['a link', (path: string) => symlink(join(place.folder, 'key'), path), /is a link/],
    ['a queue', (path: string) => void execFileSync('mkfifo', [path]), /is no file/],
    ['a folder', (path: string) => mkdir(path), /is no file/],
    ['huge', (path: string) => writeFile(path, '').then(() => truncate(path, 2 ** 40)), /is larger than/],
    ['missing', () => Promise.resolve(), /is missing/],
  ])('refuses a file that is %s', async (_, make, why) => {
    for (const name of ['SHA256SUMS', 'SHA256SUMS.sig', packed(NEW)]) {
      await stage(NEW)
      await rm(staged(name))
      await make(staged(name))
      await expectRefused(why)
      await rm(paths.update.outcome)
      await rm(staged(name), { recursive: true, force: true })
    }
  })

  test('believes no order that is none, and follows no folder elsewhere', async () => {
    for (const ready of ['', '{"id":"../x","version":"0.3.0"}', '{"id":"a","version":"../../bin/sh"}', '[]']) {
      await writeFile(staged('ready'), ready)
      await expect(run()).rejects.toThrow()
    }
    const elsewhere = join(place.folder, 'elsewhere')
    await mkdir(elsewhere)
    await rm(staged(), { recursive: true })
    await symlink(elsewhere, paths.update.staged)
    await expect(run()).rejects.toThrow(/is a link/)
    expect(await there(paths.update.outcome)).toBe(false)
    await rm(paths.update.staged)
    expect(await run()).toBe(true)
    expect(said).toEqual(['there is nothing to install'])
  })
})
