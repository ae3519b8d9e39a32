import { algorithmOf, formatChunkDigest, formatDigest, type ChunkDigest } from '../shared/digest.ts'
import { headers } from '../shared/protocol.ts'
import { formatContentRange } from '../shared/ranges.ts'
import { judgeChunk } from './answers.ts'
import type { Api } from './api.ts'
import type { Compressor } from './compress.ts'
import type { Target } from './deliver.ts'
import type { Flow } from './flow.ts'
import type { ChunkLimits } from './limits.ts'
import { patiently, type Patience } from './patience.ts'
import { CHUNK_LIMIT_MS, filePath, type Send } from './way.ts'

export interface ByServerDeps {
  api: Api
  limits: ChunkLimits
  flow: Flow
  patience: Patience
  /** None, where the server knows no encoding. */
  compressor: Compressor | undefined
  target: Target
}

/** Chunks by PUT to the server. */
export function createByServer({ api, limits, flow, patience, compressor, target }: ByServerDeps): Send {
  const { id, attempt, size } = target
  return async ({ range, loaded: { lane, digest }, whole }, signal) => {
    const smaller = await compressor?.compress(lane.bytes)
    const bytes = smaller ?? lane.bytes
    const answer = await patiently(patience, (idleMs) =>
      api.send({
        method: 'PUT',
        path: filePath(id),
        headers: {
          'content-type': 'application/octet-stream',
          [headers.attempt]: String(attempt),
          [headers.contentRange]: formatContentRange(range, size),
          ...digestHeader(digest),
          ...(smaller ? { [headers.chunkEncoding]: 'zstd' } : {}),
          ...(whole === undefined ? {} : { [headers.reprDigest]: formatDigest(whole) }),
        },
        body: { bytes, sliceLength: flow.sliceLength(), onMoved: flow.moved },
        limitMs: CHUNK_LIMIT_MS,
        idleMs,
        signal,
      }),
    )
    const verdict = judgeChunk(answer, target)
    if (verdict.act === 'durable') {
      // A problem is told before the body is read, and says nothing of what passes.
      if (answer.problem === undefined) limits.accepted(bytes.length)
      flow.delivered(lane.bytes.length, bytes.length)
    }
    return verdict
  }
}

/** A server that knows no other way is told a SHA-256 by the header of RFC 9530. */
function digestHeader(digest: ChunkDigest): Record<string, string> {
  if (algorithmOf(digest) === 'sha-256') return { [headers.contentDigest]: formatDigest(digest) }
  return { [headers.chunkDigest]: formatChunkDigest(digest) }
}
