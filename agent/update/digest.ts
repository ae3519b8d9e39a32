import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { systemCode } from '../../shared/errors.ts'
import { sha256, type Sha256 } from '../../shared/digest.ts'

/** The SHA-256 of a whole file; undefined for one that is not there. */
export async function digestOf(file: string): Promise<Sha256 | undefined> {
  const hash = sha256()
  try {
    await pipeline(createReadStream(file), hash)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  return hash.digest('hex')
}
