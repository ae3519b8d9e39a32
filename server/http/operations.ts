import type { Role } from '../../shared/access.ts'
import type { SchemaName } from './schemas.ts'

/**
 * Who may call: anybody; an agent, of what is its own; who has an enrolment token, or an agent; an operator's token of at
 * least a role; one that may download content.
 */
export type Access = 'public' | 'agent' | 'enrol' | Role | 'content' | 'ask-content'

export interface Operation {
  summary: string
  access: Access
  /** What the `id` in the path is of. */
  of?: 'download' | 'client'
  request?: SchemaName | 'bytes'
  /** Successful answers: status → message, `bytes`, `text`, `json` of no fixed shape, a stream of `events`, or nothing. */
  answers: Record<number, SchemaName | 'bytes' | 'text' | 'json' | 'events' | 'nothing'>
  query?: readonly string[]
  headers?: readonly string[]
}

const wait = ['Prefer']

/** Every route, as `METHOD /path`, with what goes in and out. A test holds it against the router. */
export const operations: Record<string, Operation> = {
  'POST /sessions': {
    access: 'agent',
    summary: 'An agent begins a session',
    request: 'SessionRequest',
    answers: { 201: 'Session' },
  },
  'GET /jobs': {
    access: 'agent',
    summary: 'The open jobs of a client, as soon as they differ from the revision seen',
    query: ['client', 'seen'],
    headers: [...wait, 'Agent-Session'],
    answers: { 200: 'Jobs', 204: 'nothing' },
  },
  'GET /jobs/{id}': { access: 'agent', of: 'download', summary: 'The state of a job', answers: { 200: 'JobState' } },
  'GET /jobs/{id}/chunks': {
    access: 'agent',
    of: 'download',
    summary: 'What is durable of the attempt under way, chunk by chunk',
    query: ['attempt', 'from'],
    answers: { 200: 'Chunks' },
  },
  'POST /jobs/{id}/begin': {
    access: 'agent',
    of: 'download',
    summary: 'Open a version of the source for an attempt',
    request: 'BeginRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Begun' },
  },
  'PUT /jobs/{id}/file': {
    access: 'agent',
    of: 'download',
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
  'POST /jobs/{id}/chunks': {
    access: 'agent',
    of: 'download',
    summary: 'Where to put a chunk that does not pass through the server; 204 when it is there already',
    request: 'DirectRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Direct', 204: 'nothing' },
  },
  'POST /jobs/{id}/chunks/commit': {
    access: 'agent',
    of: 'download',
    summary: 'A chunk was put',
    request: 'DirectCommit',
    headers: ['Agent-Session'],
    answers: { 200: 'Download', 202: 'Download', 204: 'nothing' },
  },
  'POST /jobs/{id}/complete': {
    access: 'agent',
    of: 'download',
    summary: 'Every byte is sent: verify',
    request: 'CompleteRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Download', 202: 'Download' },
  },
  'POST /jobs/{id}/fail': {
    access: 'agent',
    of: 'download',
    summary: 'The agent cannot do the job',
    request: 'FailRequest',
    headers: ['Agent-Session'],
    answers: { 200: 'Download' },
  },
  'POST /downloads': {
    access: 'operator',
    summary: 'Ask for a file of one client, or of many',
    request: 'DownloadRequest',
    headers: ['Idempotency-Key'],
    answers: { 202: 'Download' },
  },
  'GET /downloads': {
    access: 'reader',
    summary: 'Downloads, newest first',
    query: ['client', 'status', 'batch', 'note', 'label', 'limit', 'cursor'],
    answers: { 200: 'DownloadList' },
  },
  'GET /downloads/{id}': {
    access: 'reader',
    of: 'download',
    summary: 'One download, at once or when it has changed',
    headers: [...wait, 'If-None-Match'],
    answers: { 200: 'Download', 304: 'nothing' },
  },
  'DELETE /downloads/{id}': { access: 'operator', of: 'download', summary: 'Cancel', answers: { 200: 'Download' } },
  'POST /downloads/{id}/retry': {
    access: 'operator',
    of: 'download',
    summary: 'Queue a failed or expired one again',
    answers: { 202: 'Download' },
  },
  'GET /downloads/{id}/content': {
    access: 'content',
    of: 'download',
    summary: 'The bytes, as they arrive or afterwards; with redirect=true by way of the store, where that is possible',
    query: ['redirect'],
    headers: [...wait, 'Range', 'If-Range', 'If-None-Match'],
    answers: { 200: 'bytes', 206: 'bytes', 304: 'nothing', 307: 'nothing' },
  },
  'DELETE /downloads/{id}/content': {
    access: 'operator',
    of: 'download',
    summary: 'Remove the finished file',
    answers: { 200: 'Download' },
  },
  'GET /downloads/{id}/events': {
    access: 'reader',
    of: 'download',
    summary: 'What has happened to a download, oldest first',
    query: ['limit', 'cursor'],
    answers: { 200: 'EventList' },
  },
  'GET /events': {
    access: 'reader',
    summary: 'What happens, as it happens; goes on from the last event that the caller has had',
    query: ['client', 'download', 'type', 'since'],
    headers: ['Last-Event-ID'],
    answers: { 200: 'events' },
  },
  'GET /clients': {
    access: 'reader',
    summary: 'Clients',
    query: ['status', 'label', 'outdated'],
    answers: { 200: 'ClientList' },
  },
  'GET /clients/{id}': { access: 'reader', of: 'client', summary: 'One client', answers: { 200: 'Client' } },
  'POST /clients/{id}/update': {
    access: 'operator',
    of: 'client',
    summary: 'Order that a client becomes the version of the release',
    answers: { 202: 'Client' },
  },
  'DELETE /clients/{id}/update': {
    access: 'operator',
    of: 'client',
    summary: 'Take the order back, while nothing is fetched',
    answers: { 200: 'Client' },
  },
  'POST /updates/{id}': {
    access: 'agent',
    summary: 'An agent tells how far an order is',
    request: 'UpdateReport',
    query: ['client'],
    headers: ['Agent-Session'],
    answers: { 204: 'nothing' },
  },
  'GET /clients/{id}/files': {
    access: 'ask-content',
    of: 'client',
    summary: 'A file of a client, straight through',
    query: ['path', 'wait'],
    answers: { 200: 'bytes' },
  },
  'GET /clients/{id}/files/{path}': {
    access: 'ask-content',
    of: 'client',
    summary: 'A file of a client, straight through; the path may hold slashes',
    query: ['wait'],
    answers: { 200: 'bytes' },
  },
  'POST /tokens': {
    access: 'admin',
    summary: 'A token for an operator; its secret is told this once',
    request: 'TokenRequest',
    answers: { 201: 'Token' },
  },
  'GET /tokens': { access: 'admin', summary: 'The tokens of operators', answers: { 200: 'TokenList' } },
  'DELETE /tokens/{id}': { access: 'admin', summary: 'Revoke a token', answers: { 204: 'nothing' } },
  'POST /enrolments': {
    access: 'admin',
    summary: 'A token that agents trade for credentials; its secret is told this once',
    request: 'EnrolmentRequest',
    answers: { 201: 'Enrolment' },
  },
  'GET /enrolments': { access: 'admin', summary: 'The enrolment tokens', answers: { 200: 'EnrolmentList' } },
  'DELETE /enrolments/{id}': { access: 'admin', summary: 'Revoke an enrolment token', answers: { 204: 'nothing' } },
  'POST /credentials': {
    access: 'enrol',
    summary: 'A credential for an agent, with an enrolment token, or by the one before',
    request: 'CredentialRequest',
    answers: { 201: 'Credential' },
  },
  'GET /credentials': {
    access: 'admin',
    summary: 'The credentials of agents',
    query: ['client'],
    answers: { 200: 'CredentialList' },
  },
  'DELETE /credentials': {
    access: 'admin',
    summary: 'Revoke the credentials of a client; what is under way with them ends at once',
    query: ['client'],
    answers: { 200: 'Revoked' },
  },
  'DELETE /credentials/{id}': {
    access: 'admin',
    summary: 'Revoke a credential; what is under way with it ends at once',
    answers: { 204: 'nothing' },
  },
  'GET /audit': {
    access: 'admin',
    summary: 'Who did what, and what was refused; newest first',
    query: ['client', 'actor', 'limit', 'cursor'],
    answers: { 200: 'AuditList' },
  },
  'GET /install.sh': {
    access: 'public',
    summary: 'The script that installs an agent of this server',
    answers: { 200: 'text' },
  },
  'GET /agents/{name}': {
    access: 'public',
    summary: 'A file of the release that sites install; SHA256SUMS lists them',
    headers: ['Range', 'If-Range', 'If-None-Match'],
    answers: { 200: 'bytes', 206: 'bytes', 304: 'nothing' },
  },
  'GET /health': { access: 'public', summary: 'The server answers', answers: { 200: 'json' } },
  'GET /ready': { access: 'public', summary: 'The stores answer, too', answers: { 200: 'json' } },
  'GET /metrics': { access: 'reader', summary: 'Metrics for Prometheus', answers: { 200: 'text' } },
  'GET /openapi.json': { access: 'reader', summary: 'This description', answers: { 200: 'json' } },
  'POST /download': {
    access: 'operator',
    summary: 'POST /downloads, as an older system had it',
    answers: { 200: 'Download' },
  },
  'POST /api/download': {
    access: 'operator',
    summary: 'POST /downloads, as an older system had it',
    answers: { 200: 'Download' },
  },
  'POST /download/{id}': {
    access: 'operator',
    of: 'client',
    summary: 'Ask for the default file of a client',
    answers: { 200: 'Download' },
  },
  'GET /download/{id}': {
    access: 'reader',
    of: 'download',
    summary: 'GET /downloads/{id}, as an older system had it',
    answers: { 200: 'Download' },
  },
  'GET /api/downloads/{id}': {
    access: 'reader',
    of: 'download',
    summary: 'GET /downloads/{id}, as an older system had it',
    answers: { 200: 'Download' },
  },
  'GET /api/clients': { access: 'reader', summary: 'The ids of the clients online', answers: { 200: 'json' } },
  'GET /api/download/{id}': {
    access: 'ask-content',
    of: 'client',
    summary: 'The default file of a client, straight through',
    answers: { 200: 'bytes' },
  },
}
