import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect } from '@jest/globals'
import { missing, overlaps, pieces, type Range } from '../../shared/ranges.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { diskNeeds, makeDisk, type Disk } from '../helpers/disk.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { holdUpload } from '../helpers/held.ts'
import { testWith } from '../helpers/needs.ts'
import { startSite, type Site } from '../helpers/site.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

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
    // Proves that the cut is one: this was never synced. A name of its own each time: what is written over a file that was
    // left empty, ext4 writes back by itself as soon as it is closed (auto_da_alloc).
    const unsynced = join(disk.folder, `unsynced-${randomUUID()}`)
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

  testWith(diskNeeds, 'at any moment: whatever a call was answered is so after it', async () => {
    await begin()
    const content = randomBytes(8 * 64 * 1024)
    for (let round = 0; round < 5; round += 1) {
      const job = await beginByHand(stack, content)
      const asked: string[] = []
      const answered: Range[] = []
      const work = [
        ...[...pieces({ start: 0, end: content.byteLength }, 64 * 1024)].map(async (range) => {
          if ((await job.put(range.start, range.end)).status === 204) answered.push(range)
        }),
        ...Array.from({ length: 8 }, async () => void asked.push((await stack.ask({ clientId: job.clientId }))['id'])),
      ]
      let ended = false
      const all = Promise.allSettled(work).then(() => (ended = true))
      // In the middle of them, and in the last round after the last.
      const some = round < 4 ? 3 * round : Infinity
      await until('answers', async () => ended || asked.length + answered.length > some)
      const promised = { asked: [...asked], answered: [...answered] }
      await cutPower()
      await all
      expect(promised.answered.length + promised.asked.length).toBeGreaterThan(0)
      const { received } = await stack.get(`/jobs/${job.id}`)
      expect(
        missing([...received], content.byteLength).filter((hole) =>
          promised.answered.some((range) => overlaps(hole, range)),
        ),
      ).toEqual([])
      for (const id of promised.asked) expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'queued' })
      // The session is still the newest.
      expect((await job.put(0, 64 * 1024)).status).toBe(204)
    }
  })

  testWith(
    { ...diskNeeds, programs: [...diskNeeds.programs, 'strace'] },
    'after a sync of the log that failed and lost what it was to write: nothing is built upon what is gone',
    async () => {
      await begin()
      await rawAgent(stack, 'waiting')
      const log = join(disk.folder, 'backhaul.db-wal')
      const asked: string[] = []
      const ask = async (): Promise<number> => {
        const { status, body } = await stack.post('/downloads', { clientId: 'waiting' })
        if (status === 202) asked.push(String(body['id']))
        return status
      }
      expect(await ask()).toBe(202)
      const { size } = await stat(log)
      const works = await failSyncs(stack.server.pid, log)
      expect(await ask()).toBe(503)
      // What a kernel shows that has dropped the pages which it could not write.
      const kept = await readFile(log)
      expect(kept.byteLength).toBeGreaterThan(size)
      await writeFile(log, kept.fill(0, size))
      expect(await ask()).toBe(503)
      expect((await stack.get(`/downloads/${asked[0]}`))['status']).toBe('queued')
      await works()
      expect([await ask(), await ask()]).toEqual([202, 202])
      await cutPower()
      for (const id of asked) expect(await stack.get(`/downloads/${id}`)).toMatchObject({ id, status: 'queued' })
      expect(asked).toHaveLength(3)
    },
  )

  testWith(diskNeeds, 'right after the end: the file that was said to be there is there', async () => {
    const sha256 = await begin()
    const { id } = await stack.ask({ clientId: 'site', path: 'video' })
    const { filePath } = await stack.reached(id, 'completed')
    await cutPower()
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'completed', verified: true, sha256, filePath })
    expect(await sha256OfFile(filePath)).toBe(sha256)
  })
})

/** Lets every sync of a file fail in a process. @returns what lets them work again */
async function failSyncs(pid: number, path: string): Promise<() => Promise<void>> {
  const inject = ['-f', '-P', path, '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO']
  const strace = spawn('strace', [...inject, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let attached = ''
  strace.stderr.on('data', (data) => (attached += String(data)))
  await until('strace to be attached', async () => attached.includes('attached'))
  return async () => {
    strace.kill('SIGINT')
    await once(strace, 'exit')
  }
}
