import { open, type FileHandle } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import type { Hash } from 'node:crypto'
import { sha256 } from '../../../shared/digest.ts'
import { messageOf } from '../../../shared/errors.ts'
import { unlessMissing } from '../files.ts'

/** Hashes files in a thread of its own, each one following the bytes that it was told are durable. */
export type ToWorker =
  | { type: 'extend'; key: number; path: string; end: number }
  | { type: 'digest'; key: number; path: string; size: number }
  | { type: 'close'; key: number }
/** `lost`: the bytes are not there; any other error may pass. */
export type FromWorker = { key: number; sha256: string } | { key: number; error: string; lost: boolean }

interface Follower {
  hash: Hash
  at: number
  end: number
  running: Promise<void> | undefined
}

class LostBytes extends Error {}

const BLOCK = 1024 * 1024
/** Files read at the same time; each takes a block and a descriptor. */
const AT_ONCE = 2
const blocks: Buffer[] = Array.from({ length: AT_ONCE }, () => Buffer.allocUnsafeSlow(BLOCK))
const queue: ((block: Buffer) => void)[] = []
const followers = new Map<number, Follower>()
const port = parentPort!

async function withBlock(work: (block: Buffer) => Promise<void>): Promise<void> {
  const block = blocks.pop() ?? (await new Promise<Buffer>((resolve) => queue.push(resolve)))
  try {
    await work(block)
  } finally {
    const next = queue.shift()
    if (next) next(block)
    else blocks.push(block)
  }
}

async function advance(follower: Follower, path: string, block: Buffer): Promise<void> {
  let file: FileHandle | undefined
  try {
    file = await unlessMissing(open(path, 'r'))
    // Without the path: what is lost is told to callers.
    if (!file) throw new LostBytes('the part is gone')
    while (follower.at < follower.end) {
      const { bytesRead } = await file.read(block, 0, Math.min(BLOCK, follower.end - follower.at), follower.at)
      if (bytesRead === 0) throw new LostBytes(`the part ends at ${follower.at}, before ${follower.end}`)
      follower.hash.update(block.subarray(0, bytesRead))
      follower.at += bytesRead
    }
  } finally {
    await file?.close()
  }
}

function follow(key: number, path: string, end: number): Follower {
  let follower = followers.get(key)
  if (!follower) {
    follower = { hash: sha256(), at: 0, end: 0, running: undefined }
    followers.set(key, follower)
  }
  follower.end = Math.max(follower.end, end)
  const current = follower
  current.running ??= withBlock((block) => advance(current, path, block)).finally(() => {
    current.running = undefined
  })
  return current
}

async function digest(key: number, path: string, size: number): Promise<void> {
  try {
    let follower: Follower
    do {
      follower = follow(key, path, size)
      await follower.running
    } while (follower.at < size)
    port.postMessage({ key, sha256: follower.hash.copy().digest('hex') } satisfies FromWorker)
  } catch (error) {
    followers.delete(key)
    port.postMessage({ key, error: messageOf(error), lost: error instanceof LostBytes } satisfies FromWorker)
  }
}

port.on('message', (message: ToWorker) => {
  if (message.type === 'close') followers.delete(message.key)
  else if (message.type === 'digest') void digest(message.key, message.path, message.size)
  else {
    // A failed read ahead is no news: the digest reads again, and tells.
    follow(message.key, message.path, message.end).running?.catch(() => followers.delete(message.key))
  }
})
