import { createHash, type Hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

// Imports nothing but Node's own: what a thread loads is there twice.

/** Bytes lie in shared memory, and are not copied. Answers come in the order of the messages. */
export type ToWorker =
  | { type: 'update'; key: number; bytes: Uint8Array }
  | { type: 'digest'; key: number }
  | { type: 'close'; key: number }
/** To every update and digest, one answer. */
export type FromWorker = string | null

const port = parentPort!
const hashes = new Map<number, Hash>()

function hashOf(key: number): Hash {
  const known = hashes.get(key)
  if (known) return known
  const hash = createHash('sha256')
  hashes.set(key, hash)
  return hash
}

function answer(message: Exclude<ToWorker, { type: 'close' }>): FromWorker {
  const hash = hashOf(message.key)
  if (message.type === 'digest') return hash.digest('hex')
  hash.update(message.bytes)
  return null
}

port.on('message', (message: ToWorker) => {
  if (message.type === 'close') hashes.delete(message.key)
  else port.postMessage(answer(message))
})
