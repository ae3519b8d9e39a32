import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { ChunkDigest, Sha256 } from '../shared/digest.ts'
import { messageOf } from '../shared/errors.ts'
import { directSchema, type Direct } from '../shared/protocol.ts'
import type { Range } from '../shared/ranges.ts'
import { describe, judgeChunk, type ChunkVerdict } from './answers.ts'
import type { Api } from './api.ts'
import type { Target } from './deliver.ts'
import { quote } from './failure.ts'
import type { Flow } from './flow.ts'
import type { Answer, Http } from './http.ts'
import type { ChunkLimits } from './limits.ts'
import { patiently, type Patience } from './patience.ts'
import { TransientError, type Retry } from './retry.ts'
import { judgeStore, ofOffered } from './store-answers.ts'
import type { StoreHttp } from './store-http.ts'
import { CHUNK_LIMIT_MS, filePath, type Send } from './way.ts'

export interface ByStoreDeps {
  api: Api
  retry: Retry
  limits: ChunkLimits
  flow: Flow
  patience: Patience
  storeHttp: StoreHttp
  target: Target
  /** Hears of a chunk that the store took. */
  onWorked: () => void
  /** Hears why it did not. */
  onFailed: (why: string) => void
  /** Hears why it never will. */
  onUseless: (why: string) => void
}

const CALL = { limitMs: 60_000, idleMs: 20_000 }
/** A site that sends nothing by day would find every URL expired; what has begun in time may take longer. */
const URL_GOOD_MS = 10 * 60_000
const MD5_SLICE = 1024 * 1024
/** How a server answers that knows nothing of this, as after a change of its settings or its version. */
const isUnknown = ({ problem }: Answer): boolean =>
  problem?.code === 'route-unknown' || problem?.code === 'method-not-allowed'

/** Chunks straight to the store: the server says where to, and is told when they are there. */
export function createByStore(deps: ByStoreDeps): Send {
  const { api, retry, limits, flow, patience, storeHttp, target, onWorked, onFailed, onUseless } = deps
  const { id, attempt, path } = target
  const chunks = `/jobs/${encodeURIComponent(id)}/chunks`

  /** This way leads nowhere: the next try goes another. */
  const useless = (why: string): TransientError => {
    onUseless(why)
    return new TransientError(why)
  }

  const ask = async (range: Range, digest: ChunkDigest, md5: string, signal: AbortSignal) => {
    const answer = await api.send({
      method: 'POST',
      path: chunks,
      json: { attempt, ...range, digest, md5 },
      ...CALL,
      signal,
    })
    if (isUnknown(answer)) throw useless(describe(answer))
    if (answer.status !== 200) return judgeChunk(answer, target)
    const offered = directSchema.safeParse(answer.json)
    if (offered.success) return offered.data
    throw new TransientError('HTTP 200 without the answer that belongs to it; is that a Backhaul server?')
  }

  const httpTo = (url: string): { http: Http; path: string } => {
    try {
      const { http, path: below } = storeHttp.to(url)
      return { http, path: below }
    } catch (error) {
      throw useless(messageOf(error))
    }
  }

  const request = async ({ url, headers }: Direct, bytes: Buffer, signal: AbortSignal): Promise<Answer> => {
    const { http, path: below } = httpTo(url)
    try {
      return await patiently(patience, (idleMs) =>
        http.request({
          method: 'PUT',
          path: below,
          job: filePath(id),
          headers: ofOffered(headers),
          body: { bytes, sliceLength: flow.sliceLength(), onMoved: flow.moved },
          goodForMs: URL_GOOD_MS,
          limitMs: CHUNK_LIMIT_MS,
          idleMs,
          signal,
        }),
      )
    } catch (error) {
      if (!(error instanceof TransientError) || error.limited) throw error
      onFailed(error.message)
      const { reset, cut, expired, stalled, unanswered } = error
      // How long a proxy wants to be left alone is no matter of the server, by way of which it goes on.
      throw new TransientError(`${error.message} (the store)`, { reset, cut, expired, stalled, unanswered })
    }
  }

  /** @returns undefined when the bytes are there */
  const put = async (offered: Direct, bytes: Buffer, signal: AbortSignal): Promise<ChunkVerdict | undefined> => {
    const verdict = judgeStore(await request(offered, bytes, signal))
    if (verdict.act === 'landed' || verdict.act === 'damaged') onWorked()
    if (verdict.act === 'landed') {
      limits.accepted(bytes.length)
      flow.delivered(bytes.length, bytes.length)
      return undefined
    }
    if (verdict.act !== 'failed') return verdict
    if (verdict.passing) throw new TransientError(verdict.why, { retryAfterMs: verdict.afterMs })
    onFailed(verdict.why)
    throw new TransientError(verdict.why)
  }

  const commit = (range: Range, digest: ChunkDigest, told: { tag: string; sha256?: Sha256 }, signal: AbortSignal) => {
    const tryOnce = async (): Promise<ChunkVerdict> => {
      const json = { attempt, ...range, digest, ...told }
      const answer = await api.send({ method: 'POST', path: `${chunks}/commit`, json, ...CALL, signal })
      const verdict = judgeChunk(answer, target)
      // Damaged: what took it is not what the server looks into, but another store, or something that says yes to everything.
      if (isUnknown(answer) || verdict.act === 'damaged') {
        onUseless(describe(answer))
        return { act: 'retry', afterMs: undefined, why: describe(answer) }
      }
      if (verdict.act !== 'retry') return verdict
      throw new TransientError(verdict.why, { retryAfterMs: verdict.afterMs })
    }
    // What lies there is not sent again for an answer that was lost.
    const what = `say that bytes ${range.start} to ${range.end - 1} of ${quote(path)} are in the store`
    return retry.persist(tryOnce, { what, signal, urgent: () => true })
  }

  return async ({ range, loaded: { lane, digest }, whole }, signal) => {
    const asked = await ask(range, digest, await md5Of(lane.bytes), signal)
    if ('act' in asked) return asked
    const refused = await put(asked, lane.bytes, signal)
    if (refused) return refused
    return commit(range, digest, { tag: asked.tag, ...(whole === undefined ? {} : { sha256: whole }) }, signal)
  }
}

/** In Base64. In slices, so that it never holds up the connections for long. */
async function md5Of(bytes: Buffer): Promise<string> {
  const hash = createHash('md5')
  for (let at = 0; at < bytes.length; at += MD5_SLICE) {
    hash.update(bytes.subarray(at, at + MD5_SLICE))
    await setImmediate()
  }
  return hash.digest('base64')
}
