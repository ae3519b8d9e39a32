import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from '@jest/globals'
import { testWith } from '../helpers/needs.ts'
import { projectFolder, start, startProgram, type Running } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

let stack: Stack
let agent: Running | undefined
let machine: Running | undefined
beforeAll(async () => {
  stack = await startStack()
})
afterAll(async () => {
  await agent?.kill('SIGKILL')
  await machine?.kill('SIGKILL')
  await stack.stop()
})

/** Puts the same over files as systemd does for a service with a sandbox (core/namespace.c), and runs the rest of its arguments in there. */
const sandbox = `
set -e
cd "$1"; F=$2; shift 2
mount -t tmpfs none /run
mkdir -p /run/systemd/incoming /run/systemd/inaccessible
mkdir -m 000 /run/systemd/inaccessible/dir
touch /run/systemd/inaccessible/reg && chmod 000 /run/systemd/inaccessible/reg
mount --bind /run/systemd/incoming /run/systemd/incoming
mount -t tmpfs none "$F/home"
mkdir -p "$F/home/shown" && mount --bind "$F/plain" "$F/home/shown"
mount --bind /run/systemd/inaccessible/dir "$F/sealed"
mount --bind /run/systemd/inaccessible/reg "$F/plain/sealed.csv"
mount --bind "$F/systemd-private-1/tmp" "$F/tmp"
exec "$@"
`

/** What a machine has mounted, as long as it runs. */
async function startMachine(): Promise<Running> {
  const holder = startProgram('unshare', ['--mount', '--propagation', 'shared', 'sleep', 'infinity'])
  await until('the mounts', async () => (await readFile(`/proc/${holder.pid}/comm`, 'utf8')) === 'sleep\n')
  return holder
}

/** A service's copy of what the machine has: it follows that, as under systemd. */
const within = ({ pid }: Running, folder: string): string[] => {
  const copy = ['nsenter', `--mount=/proc/${pid}/ns/mnt`, 'unshare', '--mount', '--propagation', 'slave']
  return [...copy, 'sh', '-c', sandbox, 'sh', projectFolder, folder]
}

testWith(
  { programs: ['unshare', 'nsenter'], root: true, probe: 'unshare --mount true' },
  'what a sandbox hides is told so, whether it is there or not, and nothing else is',
  async () => {
    const F = stack.folder
    for (const name of ['home/till', 'home/shown', 'sealed', 'plain', 'systemd-private-1/tmp', 'tmp', 'other']) {
      await mkdir(join(F, name), { recursive: true })
    }
    for (const name of ['home/till/a.csv', 'sealed/a.csv', 'plain/sealed.csv', 'plain/seen.csv', 'tmp/a.csv'])
      await writeFile(join(F, name), 'bytes\n')
    const roots = ['home/till', 'home/shown', 'sealed', 'plain', 'tmp'].flatMap((name) => ['--root', join(F, name)])
    const flags = ['--id', 'site', '--server', stack.url, '--state-dir', join(F, 'state'), '--port', 'off']
    const args = [...flags, '--file', join(F, 'home/till/day.csv'), ...roots]
    machine = await startMachine()
    agent = start('agent/main.ts', args, {}, within(machine, F))
    await until('the agent to be online', async () => (await stack.get('/clients/site'))['status'] === 'online')

    const reasonOf = async (path: string | null): Promise<[string, string]> => {
      const { id } = await stack.ask({ clientId: 'site', ...(path === null ? {} : { path }) })
      const { status, reason, detail } = await stack.ended(id, 30_000)
      return [reason ?? status, detail]
    }
    const hidden = (path: string, by: string, todo: string): [string, string] => [
      'hidden',
      `"${path}" is hidden from this service by its sandbox (${by}). A drop-in ${todo} shows it.`,
    ]
    const show = `with BindReadOnlyPaths=${join(F, 'home/till')}`
    // One that the machine has and one that it has not: who asks is told the same.
    for (const name of ['home/till/a.csv', 'home/till/none.csv']) {
      expect(await reasonOf(join(F, name))).toEqual(hidden(join(F, name), 'TemporaryFileSystem=', show))
    }
    expect(await reasonOf(null)).toEqual(hidden(join(F, 'home/till/day.csv'), 'TemporaryFileSystem=', show))
    for (const name of ['sealed/a.csv', 'sealed/none.csv']) {
      const todo = `without InaccessiblePaths=${join(F, 'sealed')}`
      expect(await reasonOf(join(F, name))).toEqual(hidden(join(F, name), 'InaccessiblePaths=', todo))
    }
    // Root reads it all the same: it is empty, and not what the machine has there.
    const file = join(F, 'plain/sealed.csv')
    expect(await reasonOf(file)).toEqual(hidden(file, 'InaccessiblePaths=', `without InaccessiblePaths=${file}`))
    expect((await reasonOf(join(F, 'tmp/a.csv')))[1]).toMatch(/by its sandbox \(PrivateTmp=\)/)

    // What is shown is as it is, there and not there; and of what is not shared nothing is told at all.
    expect(await reasonOf(join(F, 'plain/seen.csv'))).toEqual(['completed', null])
    expect(await reasonOf(join(F, 'home/shown/seen.csv'))).toEqual(['completed', null])
    expect((await reasonOf(join(F, 'plain/none.csv')))[0]).toBe('not-found')
    expect((await reasonOf(join(F, 'home/shown/none.csv')))[0]).toBe('not-found')
    expect((await reasonOf(join(F, 'home/other.csv')))[0]).toBe('not-allowed')
    expect((await reasonOf(join(F, 'other/none.csv')))[0]).toBe('not-allowed')

    // Told at the start already, to whoever runs the machine.
    const warned = agent.output().match(/"level":40[^\n]*is hidden from this service/g) ?? []
    expect(warned).toHaveLength(4)
  },
  60_000,
)
