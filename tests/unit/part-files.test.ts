import { closeSync } from 'node:fs'
import { readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { createPartFiles } from '../../server/stores/disk/part-files.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { until } from '../helpers/until.ts'

testWith({ path: '/proc/self/fd' }, 'no more parts stay open than there should, and none for long', async () => {
  const { folder, remove } = await temporaryFolder()
  const open = async (): Promise<number> => {
    const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
    return (await Promise.all(links)).filter((link) => link.startsWith(folder)).length
  }
  const paths = Array.from({ length: 100 }, (_, number) => join(folder, String(number)))
  await Promise.all(paths.map((path) => writeFile(path, '')))
  const files = createPartFiles()
  try {
    const acquired = await Promise.all([...paths, ...paths].map((path) => files.acquire(path)))
    expect(await open()).toBe(100)
    await Promise.all(acquired.map((file) => file.release()))
    expect(await open()).toBe(64)

    // One that is written to again is still the same.
    const again = await files.acquire(paths[99]!)
    expect(again.handle.fd).toBe(acquired[99]?.handle.fd)
    await until('those that nobody writes to to be closed', async () => (await open()) === 1)
    await files.forget(paths[99]!)
    expect(await open()).toBe(1)
    await again.release()
    expect(await open()).toBe(0)

    await expect(files.acquire(join(folder, 'gone'))).rejects.toMatchObject({ code: 'ENOENT' })
    await (await files.acquire(paths[0]!)).release()
    await files.close()
    expect(await open()).toBe(0)
  } finally {
    await remove()
  }
})

test('a part that cannot be closed harms nobody who writes to another', async () => {
  const { folder, remove } = await temporaryFolder()
  const paths = Array.from({ length: 65 }, (_, number) => join(folder, String(number)))
  await Promise.all(paths.map((path) => writeFile(path, '')))
  const files = createPartFiles()
  try {
    const [first, ...others] = await Promise.all(paths.map((path) => files.acquire(path)))
    await first?.release()
    // As a disk does that fails at the end.
    closeSync(first!.handle.fd)
    for (const other of others) await other.release()
  } finally {
    await files.close()
    await remove()
  }
})
