import { failureCodes } from '../../../shared/protocol.ts'
import type { ErrorCode } from '../../../shared/errors.ts'
import type { Answer, Operations } from '../operation.ts'
import { fields, queries } from '../parameters.ts'

const whole = ['ETag', 'Content-Disposition', 'Last-Modified', 'Accept-Ranges', 'Repr-Digest'] as const

/** Answers with the bytes of a download. */
export const contentAnswers = {
  200: { content: 'bytes', headers: whole },
  206: { content: 'bytes', headers: ['Content-Range', ...whole] },
  304: { content: 'nothing', headers: whole },
} satisfies Record<number, Answer>

/** What a download without content is answered with is why it has none. */
export const contentProblems: readonly ErrorCode[] = [
  'invalid',
  'begin-timeout',
  'content-broken',
  'content-removed',
  'range-not-satisfiable',
  'cancelled',
  'expired',
  ...failureCodes,
]

export const rangeHeaders = {
  Range: fields.range.optional(),
  'If-Range': fields.ifRange.optional(),
  'If-None-Match': fields.ifNoneMatch.optional(),
}

/** The operator's calls about downloads. */
export const downloadOperations: Operations = {
  'POST /downloads': {
    id: 'createDownload',
    access: 'operator',
    summary: 'Ask for a file of one client, or of many',
    request: 'DownloadRequest',
    headers: { 'Idempotency-Key': fields.idempotencyKey.optional() },
    answers: { 202: { content: ['Download', 'Batch'], headers: ['Location'] } },
    problems: ['client-unknown', 'idempotency-mismatch', 'too-many-waiting'],
  },
  'GET /downloads': {
    id: 'listDownloads',
    access: 'reader',
    summary: 'Downloads, newest first',
    query: {
      client: queries.client.optional(),
      status: queries.statuses.optional(),
      batch: queries.batch.optional(),
      note: queries.note.optional(),
      label: queries.label.optional(),
      limit: queries.limit.optional(),
      cursor: queries.cursor.optional(),
    },
    answers: { 200: 'DownloadList' },
  },
  'GET /downloads/{id}': {
    id: 'getDownload',
    access: 'reader',
    of: 'download',
    summary: 'One download, at once or when it has changed',
    headers: { Prefer: fields.prefer.optional(), 'If-None-Match': fields.ifNoneMatch.optional() },
    answers: {
      200: { content: 'Download', headers: ['ETag', 'Preference-Applied'] },
      304: { content: 'nothing', headers: ['ETag', 'Preference-Applied'] },
    },
    problems: ['shutting-down'],
  },
  'GET /downloads/{id}/map': {
    id: 'getMap',
    access: 'reader',
    of: 'download',
    summary: 'Where the bytes are that have come, and those that come',
    answers: { 200: 'DownloadMap' },
  },
  'DELETE /downloads/{id}': {
    id: 'cancelDownload',
    access: 'operator',
    of: 'download',
    summary: 'Cancel',
    answers: { 200: 'Download' },
    problems: ['already-finished'],
  },
  'POST /downloads/{id}/retry': {
    id: 'retryDownload',
    access: 'operator',
    of: 'download',
    summary: 'Queue a failed or expired one again',
    answers: { 202: { content: 'Download', headers: ['Location'] } },
    problems: ['not-retryable', 'too-many-waiting', 'invalid', 'unsupported-media-type', 'too-large', 'body-timeout'],
  },
  'GET /downloads/{id}/content': {
    id: 'getContent',
    access: 'content',
    of: 'download',
    summary: 'The bytes, as they arrive or afterwards; with redirect=true by way of the store, where that is possible',
    query: { redirect: queries.redirect.optional() },
    headers: { Prefer: fields.prefer.optional(), ...rangeHeaders },
    answers: { ...contentAnswers, 307: { content: 'nothing', headers: ['Location'] } },
    problems: [...contentProblems, 'shutting-down'],
  },
  'DELETE /downloads/{id}/content': {
    id: 'removeContent',
    access: 'operator',
    of: 'download',
    summary: 'Remove the finished file',
    answers: { 200: 'Download' },
    problems: ['not-finished'],
  },
}
