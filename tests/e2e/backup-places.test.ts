import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { command, envOf, placeIn, startCommand, type Place } from '../helpers/backups.ts'
import { diskNeeds, makeDisk } from '../helpers/disk.ts'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { start } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024

// One server with a finished file; its backup goes to, and comes from, places where something is in the way.
describe('a place of a backup', () => {
  let stack: Stack
  let here: Place
  let good: string

  beforeAll(async () => {
    stack = await startStack()
    here = placeIn(stack.folder)
    const file = join(stack.folder, 'video')
    await writeRandom(file, MiB)
    await stack.online('site', ['--file', file])
    await stack.reached((await stack.ask({ clientId: 'site' }))['id'], 'completed')
    good = join(stack.folder, 'good')
    expect(await command(here, 'backup', good)).toMatchObject({ code: 0, said: { lost: [] } })
  })
  afterAll(() => stack.stop())

  const elsewhere = (): Place => placeIn(join(stack.folder, randomUUID()))

  const copied = async (): Promise<string> => {
    const backup = join(stack.folder, randomUUID())
    await cp(good, backup, { recursive: true })
    return backup
  }

  testWith(
    { ...diskNeeds, long: true },
    'a power cut in mid-restore: no server begins anew beside its files',
    async () => {
      const disk = await makeDisk({ size: 24 * MiB })
      try {
        const [backup, file] = [join(stack.folder, 'to cut'), join(stack.folder, 'long')]
        await writeFile(file, '')
        await truncate(file, 256 * MiB)
        await stack.online('long', ['--file', file])
        await stack.reached((await stack.ask({ clientId: 'long' }))['id'], 'completed')
        expect(await command(here, 'backup', backup, '--link')).toMatchObject({ code: 0 })
        const cut = async (): Promise<Place> => {
          const name = randomUUID()
          const place = { database: join(disk.folder, `${name}.db`), storage: join(stack.folder, name) }
          const restoring = startCommand(place, 'restore', backup)
          const brought = async (): Promise<boolean> =>
            existsSync(place.database) ||
            (await readdir(place.storage).catch((): string[] => [])).some((one) => one.endsWith('.new'))
          await until('the first file', brought)
          await restoring.kill('SIGKILL')
          // On a busy machine it may be done before it is killed.
          return existsSync(place.database) ? cut() : place
        }
        const half = await cut()
        await disk.loseUnsynced()
        expect(existsSync(`${half.database}.restoring`)).toBe(true)
      } finally {
        await disk.remove()
      }
    },
  )

  test('where the database cannot be, a restore says so, and is possible there later', async () => {
    const to = elsewhere()
    await mkdir(`${to.database}.lock`, { recursive: true })
    const { code, said } = await command(to, 'restore', good)
    expect([code, said]).toMatchObject([1, { error: { message: expect.stringContaining(`${to.database}.lock`) } }])
    await rm(join(to.database, '..'), { recursive: true })
    await writeFile(join(to.database, '..'), '')
    expect(await command(to, 'restore', good)).toMatchObject({ code: 1 })
    await rm(join(to.database, '..'))
    expect(await command(to, 'restore', good)).toMatchObject({ code: 0, said: { lost: [] } })
  })

  test("a disk's own folder among the files stays, and is no failure", async () => {
    const backup = await copied()
    await mkdir(join(backup, 'files', '@eaDir'))
    expect(await command(here, 'backup', backup)).toMatchObject({ code: 0, said: { run: 2, lost: [] } })
    expect(await readdir(join(backup, 'files'))).toContain('@eaDir')
  })

  test('one of another server, or of this one before it began anew, is not replaced', async () => {
    const backup = await copied()
    const before = await readFile(join(backup, 'manifest.json'), 'utf8')
    const anew = elsewhere()
    const server = start('server/main.ts', [], { ...envOf(anew), PORT: '0' })
    await server.line((line) => line['msg'] === 'listening')
    try {
      const { code, said } = await command(anew, 'backup', backup)
      expect([code, said]).toMatchObject([
        2,
        { error: { code: 'not-a-backup', message: expect.stringContaining('lost') } },
      ])
    } finally {
      await server.kill('SIGTERM')
    }
    expect(await readFile(join(backup, 'manifest.json'), 'utf8')).toBe(before)
    const to = elsewhere()
    expect(await command(to, 'restore', backup)).toMatchObject({ code: 0, said: { lost: [] } })
    // What is restored from it is the same server.
    expect(await command(to, 'backup', backup)).toMatchObject({ code: 0, said: { run: 2, files: { kept: 1 } } })
    // Nor is one that has never started backed up.
    await writeFile(anew.database, '')
    const never = await command(anew, 'backup', join(stack.folder, 'nothing'))
    expect([never.code, never.text]).toEqual([1, expect.stringContaining('ever started')])
  })
})
