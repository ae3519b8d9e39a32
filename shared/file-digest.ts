import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { sha256, type Sha256 } from './digest.ts'

/** The SHA-256 of a whole file, read once. @throws what the system says of the file */
export async function digestOfFile(path: string): Promise<Sha256> {
  const hash = sha256()
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}
