import { open } from 'node:fs/promises'
import { sha256 } from '../shared/digest.ts'
import { createRandom } from '../tests/chaos/random.ts'
import type { Source } from './source.ts'

const levels = ['INFO', 'DEBUG', 'WARN'] as const
const methods = ['GET', 'POST', 'PUT', 'DELETE'] as const
const paths = [
  '/orders',
  '/orders/lines',
  '/menu',
  '/menu/items',
  '/tables',
  '/payments',
  '/receipts',
  '/stock',
] as const
const statuses = [200, 201, 204, 404, 500] as const

/** Lines that are written at once. */
const BATCH = 1000

/**
 * Writes a log as a till's software writes it, the same each time; zstd makes about an eighth of it.
 * @param size bytes, at least
 */
export async function writeLogFile(path: string, size: number): Promise<Source> {
  const writeLine = createLines(7)
  const file = await open(path, 'w')
  const hash = sha256()
  let written = 0
  try {
    while (written < size) {
      const batch = Buffer.from(Array.from({ length: BATCH }, writeLine).join(''))
      hash.update(batch)
      written += batch.length
      await file.write(batch)
    }
  } finally {
    await file.close()
  }
  return { path, size: written, sha256: hash.digest('hex') }
}

function createLines(seed: number): () => string {
  const random = createRandom(seed)
  /** The first ones are more frequent. */
  const one = (of: readonly unknown[]): string => String(of[Math.floor(random.next() * random.next() * of.length)])
  let at = Date.UTC(2026, 10, 20, 6)
  return () => {
    at += random.int(0, 40)
    const till = random.int(1, 6)
    const request = random
      .int(0, 2 ** 28 - 1)
      .toString(16)
      .padStart(7, '0')
    const duration = Math.floor(random.next() * random.next() * 400)
    return [
      `${new Date(at).toISOString()} till-${till} pos[812] ${one(levels)} request finished`,
      `method=${one(methods)} path=${one(paths)} status=${one(statuses)} request_id=${request}`,
      `duration_ms=${duration} user="cashier ${random.int(1, 6)}" terminal=10.20.0.${till}\n`,
    ].join(' ')
  }
}
