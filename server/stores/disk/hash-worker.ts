// Imports nothing but Node's own: there may be several of these threads, and each loads what it imports for itself.
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

/** Hashes files in a thread of its own, each one following the bytes that it was told are durable. */
export type ToWorker =
  | { type: 'extend'; key: number; path: string; end: number }
  | { type: 'digest'; key: number; path: string; size: number }
  | { type: 'close'; key: number }
/** `lost`: the bytes are not there; any other error may pass. */
export type FromWorker = { key: number; sha256: string } | { key: number; error: string; lost: boolean }

interface Follower {
  key: number
  path: string
  hash: Hash
  at: number
  end: number
  /** How many bytes the digest that was asked for is of. */
  asked: number | undefined
}

class LostBytes extends Error {}

const block = Buffer.allocUnsafeSlow(1024 * 1024)
/** Read at one turn, in bytes: files take turns, and between them messages are heard. */
const TURN = 4 * block.byteLength

const followers = new Map<number, Follower>()
const turns = new Set<Follower>()
const port = parentPort!

/** Reads synchronously: this thread has nothing else to do, and it costs less than asking others to read. */
function advance(follower: Follower): void {
  const until = Math.min(follower.end, follower.at + TURN)
  const file = open(follower.path)
  try {
    while (follower.at < until) {
      const length = readSync(file, block, 0, Math.min(block.byteLength, until - follower.at), follower.at)
      if (length === 0) throw new LostBytes(`the part ends at ${follower.at}, before ${follower.end}`)
      follower.hash.update(block.subarray(0, length))
      follower.at += length
    }
  } finally {
    closeSync(file)
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    // Without the path: what is lost is told to callers.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new LostBytes('the part is gone')
    throw error
  }
}

function takeTurn(): void {
  const [follower] = turns
  if (!follower) return
  turns.delete(follower)
  try {
    advance(follower)
    if (follower.at < follower.end) turns.add(follower)
    else answer(follower)
  } catch (error) {
    giveUp(follower, error as Error)
  }
  if (turns.size > 0) setImmediate(takeTurn)
}

function answer({ key, hash, at, asked }: Follower): void {
  if (asked === at) port.postMessage({ key, sha256: hash.copy().digest('hex') } satisfies FromWorker)
}

/** A failed read ahead is no news: the digest reads again, and tells. */
function giveUp({ key, asked }: Follower, error: Error): void {
  followers.delete(key)
  if (asked === undefined) return
  port.postMessage({ key, error: error.message, lost: error instanceof LostBytes } satisfies FromWorker)
}

function follow(key: number, path: string, end: number): Follower {
  const known = followers.get(key)
  const follower = known ?? { key, path, hash: createHash('sha256'), at: 0, end: 0, asked: undefined }
  followers.set(key, follower)
  follower.end = Math.max(follower.end, end)
  if (turns.size === 0) setImmediate(takeTurn)
  turns.add(follower)
  return follower
}

port.on('message', (message: ToWorker) => {
  const { key } = message
  if (message.type === 'extend') follow(key, message.path, message.end)
  else if (message.type === 'digest') follow(key, message.path, message.size).asked = message.size
  else {
    const follower = followers.get(key)
    followers.delete(key)
    if (follower) turns.delete(follower)
  }
})
