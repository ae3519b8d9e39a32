import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, utimesSync, writeFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256Of, sha256OfFile } from '../helpers/folder.ts'
import { holdUpload } from '../helpers/held.ts'
import { testWith } from '../helpers/needs.ts'
import { goOn, interrupt, MOST_IN_FLIGHT, startSite, writeOld, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const KiB = 1024
const SIZE = 3 * MOST_IN_FLIGHT
const HELD_AFTER = MOST_IN_FLIGHT + 512 * KiB

/** Flips the bits of one byte of a file. */
async function damage(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+')
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
  await handle.write(Buffer.from([255 - (buffer[0] ?? 0)]), 0, 1, at)
  await handle.close()
}

// Files that never rest, and bytes that change where nobody looks.
describe('a source on the move', () => {
  let stack: Stack
  let site: Site

  beforeAll(async () => {
    stack = await startStack()
    site = await startSite(stack, 'mover')
  })
  afterAll(async () => {
    await stack.stop()
    await site.proxy.close()
  })

  const hold = (path: string, policy: string): Promise<string> =>
    holdUpload({ stack, proxy: site.proxy }, { clientId: 'mover', path, policy }, HELD_AFTER)

  /** Where the first chunk lies that the server has for certain. */
  const firstStored = async (download: string): Promise<number> => {
    const { chunks } = await stack.get(`/jobs/${download}/chunks?attempt=1`)
    return chunks[0].start
  }

  /** Asks for a file over a slow line, and does something to it all the while. */
  const whileMoving = async (name: string, policy: string, move: (file: string) => void) => {
    const file = join(site.root, name)
    const sha256 = await writeOld(file, SIZE)
    site.proxy.slow(SIZE)
    const moving = setInterval(() => move(file), 5)
    try {
      const asked = await stack.ask({ clientId: 'mover', path: name, policy })
      return { file, sha256, end: await stack.reached(asked['id'], 'completed', 'failed') }
    } finally {
      clearInterval(moving)
      site.proxy.slow(Infinity)
    }
  }

  test('a log that grows all the while is sent as it was at begin, under prefix', async () => {
    const { file, end } = await whileMoving('log', 'prefix', (path) => appendFileSync(path, `${Date.now()} a line\n`))
    expect(end).toMatchObject({ status: 'completed', verified: true, attempt: 1 })
    const now = await readFile(file)
    expect(now.byteLength).toBeGreaterThan(end['size'])
    expect(end['sha256']).toBe(sha256Of(now.subarray(0, end['size'])))
  })

  test('mtimes that wobble, as on network file systems, end no transfer under size-only', async () => {
    const wobble = (path: string): void => utimesSync(path, new Date(), new Date(Math.random() * Date.now()))
    const { sha256, end } = await whileMoving('wobbling', 'size-only', wobble)
    expect(end).toMatchObject({ status: 'completed', verified: true, attempt: 1, sha256 })
  })

  testWith(
    { long: true },
    'a file that keeps changing is begun again with growing pauses; a cancel ends that, and so does rest',
    async () => {
      const files = ['cancelled', 'resting'].map((name) => join(site.root, name))
      await Promise.all(files.map((file) => writeOld(file, SIZE)))
      const write = (): void => files.forEach((file) => writeFileSync(file, randomBytes(8), { flag: 'r+' }))
      const writing = setInterval(write, 10)
      const [cancelled, resting] = await Promise.all(
        ['cancelled', 'resting'].map(async (path) =>
          String((await stack.ask({ clientId: 'mover', path, policy: 'restart' }))['id']),
        ),
      )
      const attempts = async (): Promise<number> => (await stack.get(`/downloads/${resting}`))['attempt']
      try {
        await until('a second attempt', async () => (await attempts()) > 1)
        // Without pauses there would be dozens in this time.
        await delay(3000)
        expect(await attempts()).toBeLessThan(15)
        await fetch(`${stack.url}/downloads/${cancelled}`, { method: 'DELETE' })
        await site.agent.line(({ id, msg }) => id === cancelled && String(msg).includes('is cancelled'))
      } finally {
        clearInterval(writing)
      }
      const end = await stack.reached(String(resting), 'completed')
      expect(end).toMatchObject({ verified: true, sha256: await sha256OfFile(files[1] ?? '') })
      expect(await stack.get(`/downloads/${cancelled}`)).toMatchObject({ status: 'cancelled', filePath: null })
    },
  )

  test('after a resume not only the tail is hashed: a byte damaged in the store is found, and the file sent again', async () => {
    const sha256 = await writeOld(join(site.root, 'stored'), SIZE)
    const download = await hold('stored', 'fail')
    const at = await firstStored(download)
    await stack.server.kill('SIGKILL')
    await damage(join(stack.downloads, '.incoming', `${download}.1.part`), at)
    await stack.restart()
    site.proxy.allow(Infinity)
    const end = await stack.reached(download, 'completed')
    expect(end).toMatchObject({ verified: true, sha256, attempt: 2 })
    expect(await sha256OfFile(end['filePath'])).toBe(sha256)
  })

  test.each(['prefix', 'size-only'])(
    'after a resume not only the tail is looked at: one early byte of the source has changed, under %s',
    async (policy) => {
      const file = join(site.root, `early, ${policy}`)
      await writeOld(file, SIZE)
      const download = await hold(`early, ${policy}`, policy)
      const at = await firstStored(download)
      await interrupt([site])
      await damage(file, at)
      goOn(stack, [site])
      expect(await stack.reached(download, 'failed')).toMatchObject({
        reason: 'changed',
        detail: expect.stringMatching(`other bytes from ${at} to .* Ask again, or use the policy restart`),
      })
    },
  )

  // The system reports the first write to a page that is mapped, and no other until the page is on disk.
  const writer = `
import mmap, sys
file = open(sys.argv[1], 'r+b')
data = mmap.mmap(file.fileno(), 0)
for line in ['dirty', 'again']:
    for at in range(0, len(data), 4096): data[at] ^= 255
    print(line, flush=True)
    sys.stdin.readline()
`
  testWith(
    { programs: ['python3'] },
    'writes to mapped memory that nobody reports are noticed under reread',
    async () => {
      const file = join(site.root, 'mapped')
      await writeOld(file, SIZE)
      const child = spawn('python3', ['-c', writer, file], { stdio: ['pipe', 'pipe', 'inherit'] })
      const written = () => once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) })
      try {
        await written()
        const download = await hold('mapped', 'reread')
        child.stdin.write('\n')
        await written()
        site.proxy.allow(Infinity)
        expect(await stack.reached(download, 'failed', 'completed')).toMatchObject({ reason: 'changed' })
      } finally {
        child.kill('SIGKILL')
      }
    },
  )
})
