import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openKey, publicKeyOf, signSums } from '../../packaging/release.ts'

/** A program that is a release as good as any: it says which, and does what else it is told. */
export const script = (version: string, otherwise = 'exit 1'): Buffer =>
  Buffer.from(`#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit 0\n${otherwise}\n`)

/** A release of one executable, signed as real ones are. @returns the public key */
export async function makeSigned(
  folder: string,
  {
    version,
    content,
    keyFile,
    platform = 'linux-x64',
  }: { version: string; content: Buffer; keyFile: string; platform?: string },
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const name = `backhaul-agent-${version}-${platform}.gz`
  await writeFile(join(folder, name), gzipSync(content))
  const key = await openKey(keyFile)
  await signSums({ folder, files: [name], key })
  return publicKeyOf(key)
}
