import type { Operations } from '../operation.ts'
import { fields } from '../parameters.ts'
import { rangeHeaders } from './downloads.ts'

const release = ['ETag', 'Accept-Ranges', 'Repr-Digest'] as const
const known = { 'If-None-Match': fields.ifNoneMatch.optional() }

/** The server itself: how it is, what sites install, and what describes it. */
export const serverOperations: Operations = {
  'GET /health': {
    id: 'getHealth',
    access: 'public',
    probe: true,
    summary: 'The server answers',
    answers: { 200: 'Health' },
  },
  'GET /ready': {
    id: 'getReady',
    access: 'public',
    probe: true,
    summary: 'The stores answer, too',
    answers: { 200: 'Health' },
    problems: ['store-busy', 'store-full'],
  },
  'GET /metrics': {
    id: 'getMetrics',
    access: 'reader',
    summary: 'Metrics for Prometheus',
    answers: { 200: 'text' },
  },
  'GET /overview': {
    id: 'getOverview',
    access: 'reader',
    summary: 'How many clients there are, and downloads under way',
    answers: { 200: 'Overview' },
  },
  'GET /openapi.json': {
    id: 'getDescription',
    access: 'public',
    summary: 'This description',
    answers: { 200: 'json' },
  },
  'GET /': {
    id: 'getDashboard',
    access: 'public',
    summary: 'The dashboard, for who accepts a page',
    headers: known,
    answers: { 200: { content: 'html', headers: ['ETag'] }, 304: { content: 'nothing', headers: ['ETag'] } },
    problems: ['route-unknown'],
  },
  'GET /docs': {
    id: 'getDocs',
    access: 'public',
    summary: 'This description, as a page',
    headers: known,
    answers: { 200: { content: 'html', headers: ['ETag'] }, 304: { content: 'nothing', headers: ['ETag'] } },
  },
  'GET /assets/{path}': {
    id: 'getAsset',
    access: 'public',
    summary: 'What pages of this server are made with; the path may hold slashes',
    headers: known,
    answers: { 200: { content: 'asset', headers: ['ETag'] }, 304: { content: 'nothing', headers: ['ETag'] } },
    problems: ['route-unknown'],
  },
  'GET /install.sh': {
    id: 'getInstallScript',
    access: 'public',
    summary: 'The script that installs an agent of this server',
    answers: { 200: 'text' },
    problems: ['release-unknown', 'invalid'],
  },
  'GET /agents/{name}': {
    id: 'getReleaseFile',
    access: 'public',
    summary: 'A file of the release that sites install; SHA256SUMS lists them',
    headers: rangeHeaders,
    answers: {
      200: { content: 'bytes', headers: release },
      206: { content: 'bytes', headers: ['Content-Range', ...release] },
      304: { content: 'nothing', headers: release },
    },
    problems: ['release-unknown', 'range-not-satisfiable'],
  },
}
