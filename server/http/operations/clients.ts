import type { Answer, Operation, Operations } from '../operation.ts'
import { queries } from '../parameters.ts'
import { contentAnswers, contentProblems, rangeHeaders } from './downloads.ts'

const located = ({ content, headers }: Answer): Answer => ({ content, headers: ['Content-Location', ...headers] })

/** A client's file, straight through. */
const straight = {
  access: 'ask-content',
  of: 'client',
  headers: rangeHeaders,
  answers: { 200: located(contentAnswers[200]), 206: located(contentAnswers[206]), 304: located(contentAnswers[304]) },
  problems: [...contentProblems, 'client-offline', 'too-many-waiting', 'download-unknown', 'shutting-down'],
} satisfies Partial<Operation>

/** The operator's calls about clients. */
export const clientOperations: Operations = {
  'GET /clients': {
    id: 'listClients',
    access: 'reader',
    summary: 'Clients, by their ids',
    query: {
      status: queries.shown.optional(),
      label: queries.label.optional(),
      outdated: queries.outdated.optional(),
      search: queries.search.optional(),
      limit: queries.clientLimit.optional(),
      cursor: queries.clientCursor.optional(),
    },
    answers: { 200: 'ClientList' },
  },
  'GET /clients/{id}': {
    id: 'getClient',
    access: 'reader',
    of: 'client',
    summary: 'One client',
    answers: { 200: 'Client' },
  },
  'GET /clients/{id}/files': {
    ...straight,
    id: 'getFile',
    summary: 'A file of a client, straight through',
    query: { path: queries.path, wait: queries.wait.optional() },
  },
  'GET /clients/{id}/files/{path}': {
    ...straight,
    id: 'getFileByPath',
    summary: 'A file of a client, straight through; the path may hold slashes',
    query: { wait: queries.wait.optional() },
  },
  'POST /clients/{id}/update': {
    id: 'orderUpdate',
    access: 'operator',
    of: 'client',
    summary: 'Order that a client becomes the version of the release',
    answers: { 202: 'Client' },
    problems: [
      'update-unsupported',
      'release-unknown',
      'up-to-date',
      'invalid',
      'unsupported-media-type',
      'too-large',
      'body-timeout',
    ],
  },
  'DELETE /clients/{id}/update': {
    id: 'takeUpdateBack',
    access: 'operator',
    of: 'client',
    summary: 'Take the order back, while nothing is fetched',
    answers: { 200: 'Client' },
    problems: ['update-unknown', 'already-fetched', 'already-finished'],
  },
}
