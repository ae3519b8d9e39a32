import type { z } from 'zod'
import {
  batchSchema,
  clientListSchema,
  clientSchema,
  downloadListSchema,
  downloadRequestSchema,
  downloadSchema,
} from '../../shared/operator.ts'
import {
  beginRequestSchema,
  beginSchema,
  chunksSchema,
  completeRequestSchema,
  failRequestSchema,
  jobsSchema,
  jobStateSchema,
  problemSchema,
  sessionRequestSchema,
  sessionSchema,
} from '../../shared/protocol.ts'

/** The messages by the names that the API's description gives them. */
export const schemas = {
  SessionRequest: sessionRequestSchema,
  Session: sessionSchema,
  Jobs: jobsSchema,
  JobState: jobStateSchema,
  Chunks: chunksSchema,
  BeginRequest: beginRequestSchema,
  Begun: beginSchema,
  CompleteRequest: completeRequestSchema,
  FailRequest: failRequestSchema,
  DownloadRequest: downloadRequestSchema,
  Download: downloadSchema,
  DownloadList: downloadListSchema,
  Batch: batchSchema,
  Client: clientSchema,
  ClientList: clientListSchema,
  Problem: problemSchema,
} satisfies Record<string, z.ZodType>

export type SchemaName = keyof typeof schemas

export interface Operation {
  summary: string
  request?: SchemaName | 'bytes'
  /** Successful answers: status → message, `bytes`, `text`, `json` of no fixed shape, or nothing. */
  answers: Record<number, SchemaName | 'bytes' | 'text' | 'json' | 'nothing'>
  query?: readonly string[]
  headers?: readonly string[]
}

const wait = ['Prefer']

/** Every route, as `METHOD /path`, with what goes in and out. A test holds it against the router. */
export const operations: Record<string, Operation> = {
  'POST /sessions': { summary: 'An agent begins a session', request: 'SessionRequest', answers: { 201: 'Session' } },
  'GET /jobs': {
    summary: 'The open jobs of a client, as soon as they differ from the revision seen',
    query: ['client', 'seen'],
    headers: [...wait, 'Agent-Session'],
    answers: { 200: 'Jobs', 204: 'nothing' },
  },
  'GET /jobs/{id}': { summary: 'The state of a job', answers: { 200: 'JobState' } },
  'GET /jobs/{id}/chunks': {
    summary: 'What is durable of the attempt under way, chunk by chunk',
    query: ['attempt', 'from'],
    answers: { 200: 'Chunks' },
  },
  'POST /jobs/{id}/begin': {
    summary: 'Open a version of the source for an attempt',
    request: 'BeginRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Begun' },
  },
  'PUT /jobs/{id}/file': {
    summary: 'A chunk with Content-Range, or the whole file without',
    request: 'bytes',
    headers: [
      'Content-Range',
      'Content-Digest',
      'Chunk-Digest',
      'Chunk-Encoding',
      'Agent-Session',
      'Attempt',
      'Repr-Digest',
    ],
    answers: { 200: 'Download', 202: 'Download', 204: 'nothing' },
  },
  'POST /jobs/{id}/complete': {
    summary: 'Every byte is sent: verify',
    request: 'CompleteRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Download', 202: 'Download' },
  },
  'POST /jobs/{id}/fail': {
    summary: 'The agent cannot do the job',
    request: 'FailRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Download' },
  },
  'POST /downloads': {
    summary: 'Ask for a file of one client, or of many',
    request: 'DownloadRequest',
    headers: ['Idempotency-Key'],
    answers: { 202: 'Download' },
  },
  'GET /downloads': {
    summary: 'Downloads, newest first',
    query: ['client', 'status', 'batch', 'note', 'label', 'limit', 'cursor'],
    answers: { 200: 'DownloadList' },
  },
  'GET /downloads/{id}': {
    summary: 'One download, at once or when it has changed',
    headers: [...wait, 'If-None-Match'],
    answers: { 200: 'Download', 304: 'nothing' },
  },
  'DELETE /downloads/{id}': { summary: 'Cancel', answers: { 200: 'Download' } },
  'POST /downloads/{id}/retry': { summary: 'Queue a failed or expired one again', answers: { 202: 'Download' } },
  'GET /downloads/{id}/content': {
    summary: 'The bytes, as they arrive or afterwards',
    headers: [...wait, 'Range', 'If-Range', 'If-None-Match'],
    answers: { 200: 'bytes', 206: 'bytes', 304: 'nothing' },
  },
  'DELETE /downloads/{id}/content': { summary: 'Remove the finished file', answers: { 200: 'Download' } },
  'GET /clients': { summary: 'Clients', query: ['status', 'label'], answers: { 200: 'ClientList' } },
  'GET /clients/{id}': { summary: 'One client', answers: { 200: 'Client' } },
  'GET /clients/{id}/files': {
    summary: 'A file of a client, straight through',
    query: ['path', 'wait'],
    answers: { 200: 'bytes' },
  },
  'GET /clients/{id}/files/{path}': {
    summary: 'A file of a client, straight through; the path may hold slashes',
    query: ['wait'],
    answers: { 200: 'bytes' },
  },
  'GET /health': { summary: 'The server answers', answers: { 200: 'json' } },
  'GET /ready': { summary: 'The stores answer, too', answers: { 200: 'json' } },
  'GET /metrics': { summary: 'Metrics for Prometheus', answers: { 200: 'text' } },
  'GET /openapi.json': { summary: 'This description', answers: { 200: 'json' } },
  'POST /download': { summary: 'POST /downloads, as an older system had it', answers: { 200: 'Download' } },
  'POST /api/download': { summary: 'POST /downloads, as an older system had it', answers: { 200: 'Download' } },
  'POST /download/{id}': { summary: 'Ask for the default file of a client', answers: { 200: 'Download' } },
  'GET /download/{id}': { summary: 'GET /downloads/{id}, as an older system had it', answers: { 200: 'Download' } },
  'GET /api/downloads/{id}': {
    summary: 'GET /downloads/{id}, as an older system had it',
    answers: { 200: 'Download' },
  },
  'GET /api/clients': { summary: 'The ids of the clients online', answers: { 200: 'json' } },
  'GET /api/download/{id}': { summary: 'The default file of a client, straight through', answers: { 200: 'bytes' } },
}
