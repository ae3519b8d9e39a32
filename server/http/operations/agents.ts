import type { ErrorCode } from '../../../shared/errors.ts'
import type { Answer, Operations } from '../operation.ts'
import { fields, queries } from '../parameters.ts'

const ofSession: readonly ErrorCode[] = ['session-required', 'session-superseded', 'session-unknown']
const ofAttempt: readonly ErrorCode[] = ['job-gone', 'attempt-superseded', 'source-changed']
const ofChunk: readonly ErrorCode[] = [
  ...ofSession,
  ...ofAttempt,
  'range-invalid',
  'range-conflict',
  'digest-invalid',
  'digest-mismatch',
  'too-large',
  'incomplete',
  'content-removed',
]
const inSession = { 'Agent-Session': fields.session }
const perhapsInSession = { 'Agent-Session': fields.session.optional() }
const polled = ['Reconnect-Spread', 'Session-Token', 'Preference-Applied'] as const
const verifying: Answer = { content: 'Download', headers: ['Retry-After'] }

/** What agents call. */
export const agentOperations: Operations = {
  'POST /sessions': {
    id: 'beginSession',
    access: 'agent',
    summary: 'An agent begins a session',
    request: 'SessionRequest',
    answers: { 201: 'Session' },
    problems: ['protocol-unsupported', 'session-held', 'session-superseded'],
  },
  'GET /jobs': {
    id: 'pollJobs',
    access: 'agent',
    summary: 'The open jobs of a client, as soon as they differ from the revision seen',
    query: { client: queries.client, seen: queries.seen.optional() },
    headers: { Prefer: fields.prefer.optional(), ...perhapsInSession },
    answers: { 200: { content: 'Jobs', headers: polled }, 204: { content: 'nothing', headers: polled } },
    problems: ['client-unknown', 'session-superseded', 'session-unknown', 'shutting-down'],
  },
  'GET /jobs/{id}': {
    id: 'getJob',
    access: 'agent',
    of: 'download',
    summary: 'The state of a job',
    answers: { 200: 'JobState' },
  },
  'GET /jobs/{id}/chunks': {
    id: 'listChunks',
    access: 'agent',
    of: 'download',
    summary: 'What is durable of the attempt under way, chunk by chunk',
    query: { attempt: queries.attempt, from: queries.from.optional() },
    answers: { 200: 'Chunks' },
    problems: ['job-gone', 'attempt-superseded'],
  },
  'POST /jobs/{id}/begin': {
    id: 'beginAttempt',
    access: 'agent',
    of: 'download',
    summary: 'Open a version of the source for an attempt',
    request: 'BeginRequest',
    headers: inSession,
    answers: { 200: 'Begun' },
    problems: [...ofSession, ...ofAttempt, 'no-room', 'over-quota'],
  },
  'PUT /jobs/{id}/file': {
    id: 'putFile',
    access: 'agent',
    of: 'download',
    summary: 'A chunk with Content-Range, or the whole file without',
    request: 'bytes',
    headers: {
      'Content-Range': fields.contentRange.optional(),
      'Content-Digest': fields.contentDigest.optional(),
      'Chunk-Digest': fields.chunkDigest.optional(),
      'Chunk-Encoding': fields.chunkEncoding.optional(),
      ...perhapsInSession,
      Attempt: fields.attempt.optional(),
      'Repr-Digest': fields.reprDigest.optional(),
    },
    answers: { 200: 'Download', 202: verifying, 204: 'nothing' },
    problems: [
      ...ofChunk,
      'invalid',
      'length-required',
      'unsupported-media-type',
      'body-timeout',
      'no-room',
      'over-quota',
    ],
  },
  'POST /jobs/{id}/chunks': {
    id: 'offerChunk',
    access: 'agent',
    of: 'download',
    summary: 'Where to put a chunk that does not pass through the server; 204 when it is there already',
    request: 'DirectRequest',
    headers: inSession,
    answers: { 200: 'Direct', 204: 'nothing' },
    problems: [...ofChunk, 'route-unknown'],
  },
  'POST /jobs/{id}/chunks/commit': {
    id: 'commitChunk',
    access: 'agent',
    of: 'download',
    summary: 'A chunk was put',
    request: 'DirectCommit',
    headers: inSession,
    answers: { 200: 'Download', 202: verifying, 204: 'nothing' },
    problems: [...ofChunk, 'route-unknown'],
  },
  'POST /jobs/{id}/complete': {
    id: 'completeJob',
    access: 'agent',
    of: 'download',
    summary: 'Every byte is sent: verify',
    request: 'CompleteRequest',
    headers: inSession,
    answers: { 200: 'Download', 202: verifying },
    problems: [...ofSession, ...ofAttempt, 'incomplete'],
  },
  'POST /jobs/{id}/fail': {
    id: 'failJob',
    access: 'agent',
    of: 'download',
    summary: 'The agent cannot do the job',
    request: 'FailRequest',
    headers: perhapsInSession,
    answers: { 200: 'Download' },
    problems: ['session-superseded', 'session-unknown', 'job-gone', 'attempt-superseded'],
  },
  'POST /updates/{id}': {
    id: 'reportUpdate',
    access: 'agent',
    summary: 'An agent tells how far an order is',
    request: 'UpdateReport',
    query: { client: queries.client },
    headers: inSession,
    answers: { 204: 'nothing' },
    problems: [...ofSession, 'client-unknown', 'update-unknown'],
  },
  'POST /credentials': {
    id: 'createCredential',
    access: 'enrol',
    summary: 'A credential for an agent, with an enrolment token, or by the one before',
    request: 'CredentialRequest',
    answers: { 201: 'Credential' },
    problems: ['enrolment-spent', 'key-revoked'],
  },
}
