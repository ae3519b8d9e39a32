import { open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { freeBytes } from '../../shared/folder.ts'
import { formatBytes } from '../../shared/format.ts'
import { pause } from '../../shared/wait.ts'
import { describe, patience } from '../answers.ts'
import type { Api } from '../api.ts'
import type { Answer } from '../http.ts'
import type { Limiter } from '../limiter.ts'
import { TransientError, type Retry } from '../retry.ts'
import { UpdateFailure } from './failure.ts'
import { MAX_LIST, MAX_PACKED } from './files.ts'

export interface FetchDeps {
  api: Pick<Api, 'send'>
  retry: Retry
  /** What holds back uploads holds back downloads as well: the line is one. */
  limiter: Pick<Limiter, 'rate'>
}

/** Bytes that are asked for at once: a line that breaks costs one piece, which is smaller then. */
const LARGEST_PIECE = 1024 * 1024
const SMALLEST_PIECE = 64 * 1024
const PIECE_WITHIN_MS = 600_000
const IDLE_MS = 60_000
/** How often to look whether a limit of nothing is over, in ms. */
const LOOK_MS = 30_000
/** Bytes that stay free beside what is fetched. */
const LEFT_FREE = 32 * 1024 * 1024

/** A small file of the release. @throws UpdateFailure when there is none, the signal's reason */
export async function fetchList(name: string, { api, retry }: FetchDeps, signal: AbortSignal): Promise<Buffer> {
  return retry.persist(
    async () => {
      const answer = judge(name, await get(api, name, {}, signal))
      if (answer.status !== 200 || !isWhole(answer)) throw new TransientError(`${name} did not come as a whole`)
      if (answer.bytes.length > MAX_LIST) throw new UpdateFailure(`${name} of the server is too large to be a list`)
      return Buffer.from(answer.bytes)
    },
    { what: `fetch ${name}`, signal, urgent: () => false },
  )
}

/**
 * Fetches a file of the release, from where what lies there ends.
 * @throws UpdateFailure when there is none, or no room for it; the signal's reason
 */
export async function fetchFile(name: string, to: string, deps: FetchDeps, signal: AbortSignal): Promise<void> {
  const file = await open(to, 'a+', 0o600)
  try {
    let at = (await file.stat()).size
    let total = Number.POSITIVE_INFINITY
    const next = pieces(name, deps, signal)
    while (at < total) {
      const startedAt = performance.now()
      const piece = await next(at)
      // What the server says of it may change at any time, and is never the reason for a disk that is full.
      if (piece.total !== total) await checkRoom(name, to, { have: at, total: piece.total })
      total = piece.total
      if (piece.start !== at) await file.truncate(0)
      await append(file, piece.bytes)
      at = piece.start + piece.bytes.length
      await keepTo(deps.limiter, piece.bytes.length, startedAt, signal)
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

interface Piece {
  start: number
  bytes: Uint8Array
  /** Bytes of the whole file. */
  total: number
}

function pieces(name: string, { api, retry }: FetchDeps, signal: AbortSignal): (at: number) => Promise<Piece> {
  let length = SMALLEST_PIECE

  const ask = async (at: number): Promise<Piece> => {
    const wanted = length
    // Until it has come: the next try is for less.
    length = Math.max(SMALLEST_PIECE, Math.floor(wanted / 2))
    const answer = await get(api, name, { range: `bytes=${at}-${at + wanted - 1}` }, signal)
    const piece = toPiece(name, answer, at)
    length = Math.min(LARGEST_PIECE, wanted * 2)
    return piece
  }

  return (at) => retry.persist(() => ask(at), { what: `fetch ${name}`, signal, urgent: () => false })
}

function toPiece(name: string, answer: Answer, at: number): Piece {
  const [, first, total] = /^bytes (\d+|\*)(?:-\d+)?\/(\d+)$/.exec(String(answer.headers['content-range'])) ?? []
  // What lies there is as long as the whole, or longer: what it is will be told by its digest.
  if (answer.status === 416 && total !== undefined) return { start: at, bytes: Buffer.alloc(0), total: at }
  const { status, bytes } = judge(name, answer)
  // It would be fetched from its begin, and broken off, for as long as an order holds.
  if (status === 200 && (!isWhole(answer) || bytes.length === 0))
    throw new UpdateFailure(
      `${name} comes only as a whole, which is too much at once: what lies between this site and the server must let requests with Range through`,
    )
  if (!isWhole(answer) || bytes.length === 0) throw new TransientError('a piece did not come as a whole')
  // Something on the way knows no ranges.
  if (status === 200) return { start: 0, bytes, total: bytes.length }
  if (first !== String(at)) throw new TransientError('the piece that came is not the one that was asked for')
  return { start: at, bytes, total: Number(total) }
}

/** @throws UpdateFailure, TransientError */
function judge(name: string, answer: Answer): Answer {
  if (answer.status === 200 || answer.status === 206) return answer
  const wait = patience(answer)
  if (wait) throw new TransientError(wait.why, { retryAfterMs: wait.afterMs, status: answer.status })
  throw new UpdateFailure(`${name} cannot be fetched from the server: ${describe(answer)}`)
}

const get = (
  api: Pick<Api, 'send'>,
  name: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Answer> =>
  api.send({
    method: 'GET',
    path: `/agents/${encodeURIComponent(name)}`,
    // Nothing on the way is to pack it: its bytes are counted.
    headers: { ...headers, accept: '*/*', 'accept-encoding': 'identity' },
    limitMs: PIECE_WITHIN_MS,
    idleMs: IDLE_MS,
    signal,
  })

/** An answer counts even if its body was cut off. */
function isWhole({ headers, bytes }: Answer): boolean {
  const length = headers['content-length']
  return length === undefined || Number(length) === bytes.length
}

async function append(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten
}

/** @param size.have bytes that are here already @throws UpdateFailure */
async function checkRoom(name: string, to: string, { have, total }: { have: number; total: number }): Promise<void> {
  if (total > MAX_PACKED) throw new UpdateFailure(`${name} of the server is too large to be an agent`)
  const bytes = total - have
  const free = await freeBytes(dirname(to))
  if (free < bytes + LEFT_FREE)
    throw new UpdateFailure(
      `there is no room for the update at the site: ${formatBytes(free)} are free in ${dirname(to)}, and ${formatBytes(bytes + LEFT_FREE)} are needed`,
    )
}

/** Rests until what came is no more than a limit lets through. */
async function keepTo(
  limiter: Pick<Limiter, 'rate'>,
  bytes: number,
  startedAt: number,
  signal: AbortSignal,
): Promise<void> {
  await pause(limiter.rate() === 0 ? 0 : startedAt + (bytes / limiter.rate()) * 1000 - performance.now(), signal)
  while (limiter.rate() === 0 && !signal.aborted) await pause(LOOK_MS, signal)
  signal.throwIfAborted()
}
