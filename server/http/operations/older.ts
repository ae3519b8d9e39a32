import type { Operation, Operations } from '../operation.ts'
import { contentAnswers, contentProblems, rangeHeaders } from './downloads.ts'

const ask = {
  access: 'operator',
  answers: { 200: { content: 'OlderRequested', headers: ['Location'] } },
  problems: ['client-not-connected', 'client-unknown', 'too-many-waiting'],
} satisfies Partial<Operation>

const state = { access: 'reader', of: 'download', answers: { 200: 'OlderDownload' } } satisfies Partial<Operation>

/** The paths of older systems. */
export const olderOperations: Operations = {
  'POST /download': {
    ...ask,
    id: 'olderCreateDownload',
    summary: 'POST /downloads, as an older system had it',
    request: 'OlderRequest',
  },
  'POST /api/download': {
    ...ask,
    id: 'olderApiCreateDownload',
    summary: 'POST /downloads, as an older system had it',
    request: 'OlderRequest',
  },
  'POST /download/{id}': {
    ...ask,
    id: 'olderCreateDownloadOf',
    of: 'client',
    summary: 'Ask for a file of a client, the default file without a name',
    request: 'OlderFileRequest',
  },
  'GET /download/{id}': {
    ...state,
    id: 'olderGetDownload',
    summary: 'GET /downloads/{id}, as an older system had it',
  },
  'GET /api/downloads/{id}': {
    ...state,
    id: 'olderApiGetDownload',
    summary: 'GET /downloads/{id}, as an older system had it',
  },
  'GET /api/clients': {
    id: 'olderListClients',
    access: 'reader',
    summary: 'The ids of the clients online',
    answers: { 200: 'OlderClients' },
  },
  'GET /api/download/{id}': {
    id: 'olderGetFile',
    access: 'ask-content',
    of: 'client',
    summary: 'The default file of a client, straight through',
    headers: rangeHeaders,
    answers: contentAnswers,
    problems: [
      ...contentProblems,
      'client-timeout',
      'client-not-connected',
      'too-many-waiting',
      'download-unknown',
      'shutting-down',
    ],
  },
}
