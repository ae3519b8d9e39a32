import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { getAsset, isSea } from 'node:sea'

/** A text that belongs to the program. A single executable has no files: it carries its assets under their names. */
export function readAsset(file: URL): string {
  return isSea() ? getAsset(basename(file.pathname), 'utf8') : readFileSync(file, 'utf8')
}
