import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createReadLog, type Read } from '../../agent/read-log.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { rightsOf } from '../helpers/key-folder.ts'

const MiB = 1024 * 1024
const LARGEST = 10 * MiB
const at = '2026-11-21T12:00:00.000Z'
let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterAll(() => remove())

const read = (path: string, more: Partial<Read> = {}): Read => ({
  path,
  size: 1000,
  job: '0c6f1d86-2d2c-4a3c-8a3b-6f5a6f6d2f11',
  attempt: 1,
  askedBy: 'head office',
  ...more,
})

/** A read log in a folder that is not there yet, and what its agent says. */
function start() {
  const dir = join(folder, randomBytes(6).toString('hex'))
  const said: Record<string, unknown>[] = []
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      said.push(JSON.parse(line.toString()) as Record<string, unknown>)
      done()
    },
  })
  const path = join(dir, 'reads.log')
  return { dir, path, said, reads: createReadLog({ dir, log: pino(stream), now: () => new Date(at) }) }
}

const textOf = (path: string): Promise<string> => readFile(path, 'utf8')
const linesOf = (text: string): unknown[] => {
  expect(text.endsWith('\n')).toBe(true)
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
}

const hostile = [
  '/srv/two\nlines.txt',
  '/srv/{"at":"2020","path":"/forged"}\n{"at":"2020","path":"/forged"}',
  '/srv/"quoted" \\ and \t tabbed',
  '/srv/\u001b[2J\u001b]0;title\u0007\u009b31m\u007f',
  '/srv/\u202egnp.exe\u2028\u2066\u200f',
  '/srv/ünï ☕ 😀',
  '/srv/half \ud83d of a character',
  `/srv/${'x'.repeat(4000)}`,
]

test('a line holds exactly what was read, and nothing that a line or a terminal is moved by', async () => {
  const { path, reads, said } = start()
  for (const name of hostile) await reads.note(read(name, { askedBy: name.slice(5, 100) }))
  await reads.note(read('/srv/plain', { askedBy: null, size: Number.MAX_SAFE_INTEGER }))
  const text = await textOf(path)
  expect(linesOf(text)).toEqual([
    ...hostile.map((name) => ({ at, ...read(name, { askedBy: name.slice(5, 100) }) })),
    { at, ...read('/srv/plain', { askedBy: null, size: Number.MAX_SAFE_INTEGER }) },
  ])
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/u)
  expect(said).toEqual([])
})

test('only the owner can read it, and it is in order, however many are read at once', async () => {
  const { dir, path, reads } = start()
  const before = process.umask(0)
  try {
    await Promise.all(Array.from({ length: 300 }, (_, number) => reads.note(read(`/srv/${number}`))))
  } finally {
    process.umask(before)
  }
  expect(linesOf(await textOf(path))).toEqual(
    Array.from({ length: 300 }, (_, number) => ({ at, ...read(`/srv/${number}`) })),
  )
  expect([await rightsOf(dir), await rightsOf(path)]).toEqual([0o700, 0o600])
})

test('it is on the disk when the call returns, and goes on after a restart', async () => {
  const { dir, path, reads } = start()
  await reads.note(read('/srv/before'))
  expect(linesOf(await textOf(path))).toHaveLength(1)
  const again = createReadLog({ dir, log: pino({ level: 'silent' }), now: () => new Date(at) })
  await again.note(read('/srv/after'))
  expect(linesOf(await textOf(path))).toMatchObject([{ path: '/srv/before' }, { path: '/srv/after' }])
})

test('a full one becomes the one before, and the one before that goes', async () => {
  const { dir, path, reads } = start()
  const lengthOfLine = Buffer.byteLength(`${JSON.stringify({ at, ...read('/srv/0') })}\n`)
  await mkdir(dir)
  await writeFile(`${path}.1`, 'the oldest')
  await writeFile(path, '\n', { mode: 0o600 })
  const file = await open(path, 'r+')
  await file.truncate(LARGEST - lengthOfLine - 1)
  await file.write('\n', LARGEST - lengthOfLine - 1)
  await file.close()
  // Just full.
  await reads.note(read('/srv/0'))
  expect((await stat(path)).size).toBe(LARGEST)
  expect(await textOf(`${path}.1`)).toBe('the oldest')
  await reads.note(read('/srv/1'))
  expect(await readdir(dir)).toEqual(['reads.log.1'])
  expect((await stat(`${path}.1`)).size).toBe(LARGEST + lengthOfLine)
  expect(
    (await textOf(`${path}.1`))
      .trimEnd()
      .split('\n')
      .slice(-2)
      .map((line) => JSON.parse(line)),
  ).toMatchObject([{ path: '/srv/0' }, { path: '/srv/1' }])
  await Promise.all([2, 3].map((number) => reads.note(read(`/srv/${number}`))))
  expect(linesOf(await textOf(path))).toMatchObject([{ path: '/srv/2' }, { path: '/srv/3' }])
  expect([await rightsOf(path), await rightsOf(`${path}.1`)]).toEqual([0o600, 0o600])
})

test('where it cannot be written the agent says so once, throws nothing, and goes on when it can', async () => {
  const { dir, path, reads, said } = start()
  await writeFile(dir, 'a file where the folder should be')
  await Promise.all(['/srv/0', '/srv/1', '/srv/2'].map((name) => reads.note(read(name))))
  expect(said).toEqual([expect.objectContaining({ level: 40, path, error: expect.stringContaining(dir) })])
  expect(said[0]?.['msg']).toContain('STATE_DIR')
  await rm(dir)
  await reads.note(read('/srv/3'))
  expect(linesOf(await textOf(path))).toMatchObject([{ path: '/srv/3' }])
  expect(said).toHaveLength(1)
})

test('what a full disk or a power cut left of a line spoils no other', async () => {
  const { dir, path, reads } = start()
  await mkdir(dir)
  await writeFile(path, `${JSON.stringify({ at, ...read('/srv/whole') })}\n{"at":"2026-11-21T12:0`)
  await reads.note(read('/srv/0'))
  await reads.note(read('/srv/1'))
  const lines = (await textOf(path)).trimEnd().split('\n')
  expect(lines).toHaveLength(4)
  expect([lines[0], lines[2], lines[3]].map((line) => JSON.parse(String(line)))).toMatchObject([
    { path: '/srv/whole' },
    { path: '/srv/0' },
    { path: '/srv/1' },
  ])
})
