import { createReadStream, createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'

/** Writes FILE.gz, which every system can read, beside a file. */
export async function compress(file: string): Promise<void> {
  const part = `${file}.gz.part`
  await pipeline(createReadStream(file), createGzip({ level: constants.Z_BEST_COMPRESSION }), createWriteStream(part))
  await rename(part, `${file}.gz`)
}
