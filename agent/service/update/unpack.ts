import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGunzip } from 'node:zlib'
import { messageOf } from '../../../shared/errors.ts'
import { freeBytes, syncFolder } from '../../../shared/folder.ts'
import { formatBytes } from '../../../shared/format.ts'
import { UpdateFailure } from '../../update/failure.ts'
import { writeFiles } from '../write.ts'

const run = promisify(execFile)

/** An executable is packed to about a third. */
const UNPACKED_TIMES = 4
const VERSION_WITHIN_MS = 60_000

/**
 * Unpacks an executable that was found good; it is there as a whole, on disk, or not at all.
 * @param to its file; `.sha256` beside it says what it was unpacked from, as install.sh does
 * @throws UpdateFailure when there is no room, or it does not run here
 */
export async function unpack({
  packed,
  digest,
  version,
  to,
}: {
  packed: string
  digest: string
  version: string
  to: string
}): Promise<void> {
  if ((await digestBeside(to)) === digest && (await versionOf(to)) === version) return
  await mkdir(dirname(to), { recursive: true })
  await checkRoom(dirname(to), (await stat(packed)).size * UNPACKED_TIMES)
  const unfinished = `${to}.new`
  try {
    const file = await open(unfinished, 'w', 0o755)
    try {
      await pipeline(createReadStream(packed), createGunzip(), async (unpacked: AsyncIterable<Buffer>) => {
        for await (const bytes of unpacked) await file.writeFile(bytes)
      })
      await file.chmod(0o755)
      await file.sync()
    } finally {
      await file.close()
    }
    const found = await versionOf(unfinished)
    if (found !== version) throw new UpdateFailure(`the executable of ${version} does not run here: ${found}`)
    await rm(`${to}.sha256`, { force: true })
    await rename(unfinished, to)
    await syncFolder(dirname(to))
    await writeFiles([{ path: `${to}.sha256`, text: `${digest}\n`, mode: 0o644 }])
  } finally {
    await rm(unfinished, { force: true })
  }
}

async function digestBeside(file: string): Promise<string> {
  return (await readFile(`${file}.sha256`, 'utf8').catch(() => '')).trim()
}

/** What an executable says that it is, or why it says nothing. */
async function versionOf(file: string): Promise<string> {
  try {
    const { stdout } = await run(file, ['--version'], { env: {}, cwd: '/', timeout: VERSION_WITHIN_MS })
    return stdout.trim()
  } catch (error) {
    return messageOf(error)
  }
}

async function checkRoom(folder: string, bytes: number): Promise<void> {
  const free = await freeBytes(folder)
  if (free < bytes)
    throw new UpdateFailure(
      `there is no room for the update: ${formatBytes(free)} are free in ${folder}, and about ${formatBytes(bytes)} are needed`,
    )
}
