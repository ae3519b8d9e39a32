import { createCipheriv, createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

/** The bytes of a file as it was at one time: known by rule, so that any prefix can be told without keeping them. */
export interface Version {
  size: number
  /** Which stream of random bytes it starts as; null for zeros, which a file system need not store. */
  key: number | null
  /** Written over it, in this order. */
  patches: readonly Patch[]
}

export interface Patch {
  at: number
  length: number
  key: number
}

const BLOCK = 1024 * 1024
const zeros = Buffer.alloc(BLOCK)

/** The random bytes of a key, from the start on. */
function stream(key: number): (length: number) => Buffer {
  const seed = createHash('sha256').update(String(key)).digest()
  const cipher = createCipheriv('aes-128-ctr', seed.subarray(0, 16), seed.subarray(16))
  return (length) => cipher.update(zeros.subarray(0, length))
}

export const patchBytes = ({ key, length }: Patch): Buffer => stream(key)(length)

/** The first `length` bytes, block by block. */
export function* bytesOf({ key, patches }: Version, length: number): Generator<Buffer> {
  const base = key === null ? undefined : stream(key)
  for (let at = 0; at < length; at += BLOCK) {
    const wanted = Math.min(BLOCK, length - at)
    const block = base ? base(wanted) : Buffer.alloc(wanted)
    for (const patch of patches) {
      if (patch.at >= at + wanted || patch.at + patch.length <= at) continue
      const bytes = patchBytes(patch)
      const from = Math.max(0, at - patch.at)
      bytes.copy(block, Math.max(0, patch.at - at), from)
    }
    yield block
  }
}

const digests = new WeakMap<Version, Map<number, string>>()

/** The SHA-256 of the first `length` bytes, in hex. */
export function digestOf(version: Version, length = version.size): string {
  const known = digests.get(version) ?? new Map<number, string>()
  digests.set(version, known)
  let digest = known.get(length)
  if (digest === undefined) {
    const hash = createHash('sha256')
    for (const block of bytesOf(version, length)) hash.update(block)
    digest = hash.digest('hex')
    known.set(length, digest)
  }
  return digest
}

/** Makes the file; zeros are left as holes. */
export async function writeVersion(path: string, version: Version): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.truncate(version.size)
    if (version.key === null) {
      for (const patch of version.patches) await file.write(patchBytes(patch), 0, patch.length, patch.at)
      return
    }
    let at = 0
    for (const block of bytesOf(version, version.size)) {
      await file.write(block, 0, block.byteLength, at)
      at += block.byteLength
    }
  } finally {
    await file.close()
  }
}
