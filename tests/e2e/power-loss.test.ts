import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect } from '@jest/globals'
import { missing, type Range } from '../../shared/ranges.ts'
import { diskNeeds, makeDisk, type Disk } from '../helpers/disk.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { holdUpload } from '../helpers/held.ts'
import { testWith } from '../helpers/needs.ts'
import { startSite, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
const SIZE = 6 * MiB

// The server's disk is a file system in a file. At the power cut, only what had been written back to that file is left.
describe('a power cut at the server', () => {
  let disk: Disk
  let stack: Stack
  let site: Site

  afterEach(async () => {
    await site.proxy.close()
    await stack.stop()
    await disk.remove()
  })

  const begin = async (): Promise<string> => {
    disk = await makeDisk({ size: 64 * MiB })
    stack = await startStack({
      STORAGE_URL: `file:${join(disk.folder, 'downloads')}`,
      DATABASE_URL: `sqlite:${join(disk.folder, 'backhaul.db')}`,
    })
    site = await startSite(stack, 'site')
    return writeRandom(join(site.root, 'video'), SIZE)
  }

  const cutPower = async (): Promise<void> => {
    // Proves that the cut is one: this was never synced.
    const unsynced = join(disk.folder, 'unsynced')
    await writeFile(unsynced, 'gone')
    await stack.server.kill('SIGKILL')
    await disk.loseUnsynced()
    expect(await readFile(unsynced, 'utf8').catch(() => '')).toBe('')
    await stack.restart()
  }

  testWith(diskNeeds, 'in mid-transfer: every byte that was acknowledged is there, and it goes on', async () => {
    const sha256 = await begin()
    const id = await holdUpload({ stack, proxy: site.proxy }, { clientId: 'site', path: 'video' }, SIZE / 2)
    const acknowledged = (await stack.get(`/jobs/${id}`))['received'] as Range[]
    await cutPower()
    const { received, attempt } = await stack.get(`/jobs/${id}`)
    expect(attempt).toBe(1)
    for (const { start, end } of acknowledged) {
      expect(missing(received, end).filter((hole) => hole.end > start)).toEqual([])
    }
    site.proxy.allow(Infinity)
    expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
  })

  testWith(diskNeeds, 'right after the end: the file that was said to be there is there', async () => {
    const sha256 = await begin()
    const { id } = await stack.ask({ clientId: 'site', path: 'video' })
    const { filePath } = await stack.reached(id, 'completed')
    await cutPower()
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'completed', verified: true, sha256, filePath })
    expect(await sha256OfFile(filePath)).toBe(sha256)
  })
})
