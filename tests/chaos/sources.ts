import { spawnSync } from 'node:child_process'
import { mkdir, open } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bytesOf, patchBytes, writeVersion, type Version } from './content.ts'
import type { FilePlan } from './plan/files.ts'
import type { Random } from './random.ts'

/** A file of a client, with every version of it that ever was. */
export interface SourceFile {
  plan: FilePlan
  path: string
  versions: Version[]
}

export interface Sources {
  of(plan: FilePlan): SourceFile
  /** Makes the file that was not there. */
  appear(plan: FilePlan): Promise<void>
  /** Lets the files that change do so until the signal aborts. */
  change(random: Random, signal: AbortSignal): Promise<void>
}

const KiB = 1024

/** Makes the files of all clients. @param folders by client */
export async function makeSources(files: readonly FilePlan[], folders: readonly string[]): Promise<Sources> {
  const sources = new Map<FilePlan, SourceFile>()
  for (const plan of files) {
    const path = isAbsolute(plan.path) ? plan.path : join(folders[plan.client] ?? '', plan.path)
    sources.set(plan, { plan, path, versions: [] })
  }
  const of = (plan: FilePlan): SourceFile => sources.get(plan)!

  const put = async (source: SourceFile): Promise<void> => {
    // Its size changes while it grows, and the plan's must not.
    const version = { ...source.plan.version }
    source.versions.push(version)
    await writeVersion(source.path, version)
  }

  const make = async (source: SourceFile): Promise<void> => {
    const { kind } = source.plan
    if (kind === 'folder') await mkdir(source.path)
    if (kind === 'pipe') spawnSync('mkfifo', [source.path])
    if (kind === 'still' || kind === 'growing' || kind === 'rewritten') await put(source)
  }

  for (const source of sources.values()) await make(source)
  return {
    of,
    async appear(plan) {
      const source = of(plan)
      if (plan.kind === 'late' && source.versions.length === 0) await put(source)
    },
    async change(random, signal) {
      const changing = [...sources.values()].filter(({ plan }) => plan.kind === 'growing' || plan.kind === 'rewritten')
      await Promise.all(changing.map((source) => keepChanging(source, random, signal)))
    },
  }
}

async function keepChanging(source: SourceFile, random: Random, signal: AbortSignal): Promise<void> {
  const grows = source.plan.kind === 'growing'
  for (;;) {
    await delay(grows ? random.int(100, 600) : random.int(1000, 6000), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    await (grows ? grow(source, random.int(1, 64 * KiB)) : rewrite(source, random))
  }
}

async function grow({ path, versions }: SourceFile, length: number): Promise<void> {
  const [version] = versions
  if (!version) return
  const added: Buffer[] = []
  let at = 0
  for (const block of bytesOf(version, version.size + length)) {
    if (at + block.byteLength > version.size) added.push(block.subarray(Math.max(0, version.size - at)))
    at += block.byteLength
  }
  const bytes = Buffer.concat(added)
  const file = await open(path, 'r+')
  try {
    await file.write(bytes, 0, bytes.byteLength, version.size)
  } finally {
    await file.close()
  }
  version.size += length
}

async function rewrite({ path, versions }: SourceFile, random: Random): Promise<void> {
  const before = versions.at(-1)
  if (!before) return
  const length = random.int(1, 64 * KiB)
  const patch = { at: random.int(0, before.size - length), length, key: random.int(0, 2 ** 31) }
  // Known before it is so: whoever reads it at once reads a version that was written down.
  versions.push({ ...before, patches: [...before.patches, patch] })
  const file = await open(path, 'r+')
  try {
    await file.write(patchBytes(patch), 0, length, patch.at)
  } finally {
    await file.close()
  }
}
