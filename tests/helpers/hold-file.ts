import { open } from 'node:fs/promises'
import { renameFile } from '../../shared/rename.ts'

// hold-file.ts hold FILE: has it open on Windows as many programs do there, and lets nobody else, for as long as it runs.
// hold-file.ts rename FROM TO MS: puts FROM in the place of TO, which is held so for MS milliseconds.
const [what, path = '', to = '', ms = '0'] = process.argv.slice(2)
/** Of libuv, for Windows only: shared with nobody. */
const ALONE = 0x10000000

const held = await open(what === 'hold' ? path : to, ALONE)
process.stdout.write('held\n')
if (what === 'rename') {
  setTimeout(() => void held.close(), Number(ms))
  await renameFile(path, to)
  process.stdout.write('renamed\n')
} else setInterval(() => held.fd, 60_000)
