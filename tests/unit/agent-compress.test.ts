import { randomBytes } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { createCompressor } from '../../agent/compress.ts'

const KiB = 1024

/** As chunks lie: in memory that threads share. */
function shared(bytes: Buffer): Buffer {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length))
  bytes.copy(copy)
  return copy
}

const text = shared(Buffer.from('2026-11-21 09:12:05 till 4 sold 1 x espresso 1.20 EUR\n'.repeat(10_000)))
const noise = shared(randomBytes(512 * KiB))
const slowLine = (): number => 1

test('text becomes smaller, and is the same afterwards', async () => {
  const compressor = createCompressor({ rate: slowLine, now: () => performance.now() })
  const chunks = await Promise.all(Array.from({ length: 5 }, () => compressor.compress(text)))
  for (const smaller of chunks) {
    expect(smaller!.length).toBeLessThan(text.length / 8)
    expect(zstdDecompressSync(smaller!).equals(text)).toBe(true)
  }
})

test('what does not become smaller goes as it is, and is asked about ever less', async () => {
  const compressor = createCompressor({ rate: slowLine, now: () => performance.now() })
  expect(await compressor.compress(noise)).toBeUndefined()
  // Passed over, though this one would.
  expect(await compressor.compress(text)).toBeUndefined()
  expect(await compressor.compress(text)).toBeDefined()
})

test('a beginning that compresses does not speak for the rest', async () => {
  const mixed = shared(Buffer.concat([text.subarray(0, 20 * KiB), noise]))
  const compressor = createCompressor({ rate: slowLine, now: () => performance.now() })
  expect(await compressor.compress(mixed)).toBeUndefined()
})

test('a line that is faster than a core is not waited for', async () => {
  let at = 0
  // A clock on which every chunk takes a second.
  const compressor = createCompressor({ rate: () => 1e6, now: () => (at += 1000) })
  expect(await compressor.compress(text)).toBeDefined()
  expect(await compressor.compress(text)).toBeUndefined()
})

test('a few bytes are not worth it', async () => {
  const compressor = createCompressor({ rate: slowLine, now: () => performance.now() })
  expect(await compressor.compress(text.subarray(0, KiB))).toBeUndefined()
})
