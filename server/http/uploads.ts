import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { z } from 'zod'
import { parseChunkDigest, parseDigest, type ChunkDigest, type Sha256 } from '../../shared/digest.ts'
import { AppError } from '../../shared/errors.ts'
import { defaults, headers } from '../../shared/protocol.ts'
import { parseContentRange } from '../../shared/ranges.ts'
import type { Body } from '../domain/chunks.ts'
import type { ChunkRequest } from '../domain/uploads.ts'
import type { WholeRequest } from '../domain/whole.ts'
import type { RouteDeps } from './agents.ts'
import { callerGone } from './body.ts'
import { createIntake } from './intake.ts'
import { valid } from './json.ts'
import { fields } from './parameters.ts'
import { answerDownload } from './present.ts'
import { downloadIdOf, requiredHeader, sessionOf } from './request.ts'
import { createZstd, MAX_DECODED, type Zstd } from './zstd.ts'

// Made once: zod takes its time to make them.
const lengthHeader = z.coerce.number().int().min(0)

const ZSTD = 'zstd'
/** Headers that only a chunk has. */
const ofChunks = [headers.session, headers.attempt, headers.contentDigest, headers.chunkDigest, headers.chunkEncoding]

/** How bytes come in: a chunk, or a whole file at once. */
export function uploadRoutes(router: Router, { domain, present }: RouteDeps): void {
  const intake = createIntake()
  const zstd = createZstd()

  router.put('/jobs/:id/file', async (ctx) => {
    checkEncodings(ctx)
    const whole = ctx.get(headers.contentRange) === ''
    const body: Body = (stop) => intake.read(ctx.req, stop)
    const download = whole
      ? await domain.whole.put({ ...wholeOf(ctx), body })
      : await domain.uploads.put({ ...chunkOf(ctx, zstd), body })
    if (download) answerDownload(ctx, present, download)
    else ctx.status = 204
  })
}

/** Gateways decode Content-Encoding, and ranges would count encoded bytes. */
function checkEncodings(ctx: Context): void {
  refuseUnless(ctx, 'Content-Encoding', ['identity'])
  refuseUnless(ctx, headers.chunkEncoding, ['identity', ...defaults.encodings])
}

function refuseUnless(ctx: Context, name: string, known: readonly string[]): void {
  const value = ctx.get(name)
  if (value === '' || known.includes(value)) return
  throw new AppError(
    'unsupported-media-type',
    `${name}: ${value.slice(0, 50)} is not taken here, but ${known.join(' and ')}; send the bytes as they are.`,
    { field: name },
  )
}

/** @throws AppError when a header of a chunk is missing, or is wrong by itself */
function chunkOf(ctx: Context, zstd: Zstd): Omit<ChunkRequest, 'body'> {
  const encoded = ctx.get(headers.chunkEncoding) === ZSTD
  const chunk = {
    id: downloadIdOf(ctx),
    session: sessionOf(ctx),
    attempt: valid(fields.attempt, requiredHeader(ctx, headers.attempt), headers.attempt),
    range: parseContentRange(ctx.get(headers.contentRange)),
    digest: encoded
      ? parseChunkDigest(requiredHeader(ctx, headers.chunkDigest), headers.chunkDigest)
      : chunkDigestOf(ctx),
    sha256: wholeDigestOf(ctx),
    signal: callerGone(ctx),
  }
  const length = chunk.range.end - chunk.range.start
  if (encoded) return { ...chunk, decode: decoderOf(ctx, zstd, length) }
  const announced = ctx.get('Content-Length')
  if (announced === '' || Number(announced) === length) return chunk
  throw new AppError('range-invalid', `Content-Length is ${announced}; the Content-Range has ${length} bytes.`, {
    field: 'Content-Length',
  })
}

/** @param length what the body decodes to, in bytes */
function decoderOf(ctx: Context, zstd: Zstd, length: number): NonNullable<ChunkRequest['decode']> {
  if (length > MAX_DECODED) {
    throw new AppError('too-large', `A chunk that is encoded has at most ${MAX_DECODED} bytes.`, { limit: MAX_DECODED })
  }
  const announced = ctx.get('Content-Length')
  const encodedLength = announced === '' ? undefined : Number(announced)
  return (batches, signal) => zstd.decode(batches, { encodedLength, length }, signal)
}

/** Chunk-Digest is of the decoded bytes; without it Content-Digest, which is of the same ones where nothing is encoded. */
function chunkDigestOf(ctx: Context): ChunkDigest {
  const own = ctx.get(headers.chunkDigest)
  if (own !== '') return parseChunkDigest(own, headers.chunkDigest)
  return parseDigest(requiredHeader(ctx, headers.contentDigest), headers.contentDigest)
}

/** @throws AppError when a header of a whole file is missing, or says that this is none */
function wholeOf(ctx: Context): Omit<WholeRequest, 'body'> {
  const ours = ofChunks.find((name) => ctx.get(name) !== '')
  if (ours) {
    throw new AppError('range-invalid', `Content-Range is missing beside ${ours}; a proxy may have removed it.`, {
      field: headers.contentRange,
    })
  }
  const id = downloadIdOf(ctx)
  const length = ctx.get('Content-Length')
  if (length === '')
    throw new AppError(
      'length-required',
      'A whole file needs a Content-Length (curl -T FILE sends one, a pipe does not).',
    )
  const size = valid(lengthHeader, length, 'Content-Length')
  return { id, size, sha256: wholeDigestOf(ctx), signal: callerGone(ctx) }
}

/** Of the whole file, where the caller knows it. */
function wholeDigestOf(ctx: Context): Sha256 | undefined {
  const header = ctx.get(headers.reprDigest)
  return header === '' ? undefined : parseDigest(header, headers.reprDigest)
}
