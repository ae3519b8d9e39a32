import type { z, ZodType } from 'zod'
import {
  auditListSchema,
  enrolmentListSchema,
  enrolmentSchema,
  revokedSchema,
  tokenListSchema,
  tokenSchema,
  type AuditList,
  type Enrolment,
  type enrolmentRequestSchema,
  type Token,
  type TokenRequest,
} from '../shared/access.ts'
import {
  clientListSchema,
  clientSchema,
  downloadListSchema,
  downloadSchema,
  type Client,
  type ClientList,
  type Download,
  type DownloadList,
  type DownloadRequest,
} from '../shared/operator.ts'
import { readAnswer } from './answers.ts'
import type { Ask, ContentStream, Http } from './http.ts'

/** What the server said: read, and as it came, for `--json`. */
export interface Answer<T> {
  value: T
  raw: unknown
  etag: string | undefined
}

type Query = [string, string][]

/** The operator's calls. All throw CliError: the server's problem, `server-unreachable` or `answer-unknown`. */
export interface Api {
  clients(query: Query): Promise<Answer<ClientList>>
  client(id: string): Promise<Answer<Client>>
  orderUpdate(id: string): Promise<Answer<Client>>
  takeUpdateBack(id: string): Promise<Answer<Client>>
  downloads(query: Query): Promise<Answer<DownloadList>>
  download(id: string): Promise<Answer<Download>>
  /** The download as soon as anything in it differs from what `etag` stood for; undefined when it did not within `waitSeconds`. */
  changed(id: string, etag: string, waitSeconds: number): Promise<Answer<Download> | undefined>
  request(request: DownloadRequest): Promise<Answer<Download>>
  cancel(id: string): Promise<Answer<Download>>
  retry(id: string): Promise<Answer<Download>>
  tokens(): Promise<Answer<{ tokens: Token[] }>>
  createToken(request: TokenRequest): Promise<Answer<Token>>
  revokeToken(id: string): Promise<void>
  enrolments(): Promise<Answer<{ enrolments: Enrolment[] }>>
  revokeEnrolment(id: string): Promise<void>
  enrol(request: z.input<typeof enrolmentRequestSchema>): Promise<Answer<Enrolment>>
  revokeClient(clientId: string): Promise<Answer<{ revoked: number }>>
  audit(query: Query): Promise<Answer<AuditList>>
  /** The bytes of a download, of one still on its way too. `headers` may ask for a range. */
  content(id: string, headers: Record<string, string>, isArriving?: boolean): Promise<ContentStream>
  /** The bytes of a file at a site, fetched for this call. */
  file(clientId: string, path: string): Promise<ContentStream>
}

/** ms that an answer to a waiting request may come late. */
const grace = 15_000
/** ms of silence from the server's own disk. */
const storedSilence = 60_000
/** ms of silence from a site: its first bytes come when a whole chunk is durable. Much earlier the server says that it did not begin. */
const siteSilence = 600_000

/** The calls of the operator's API over `http`. */
export function createApi({ http }: { http: Http }): Api {
  async function ask<T>(schema: ZodType<T>, request: Ask): Promise<Answer<T>> {
    const answer = await http.ask(request)
    return { ...readAnswer(answer, schema), etag: answer.etag }
  }
  const revoke = async (path: string): Promise<void> => {
    await http.ask({ method: 'DELETE', path })
  }
  const clientPath = (id: string): string => `clients/${encodeURIComponent(id)}`
  const downloadPath = (id: string): string => `downloads/${encodeURIComponent(id)}`

  return {
    clients: (query) => ask(clientListSchema, { method: 'GET', path: 'clients', query }),
    client: (id) => ask(clientSchema, { method: 'GET', path: clientPath(id) }),
    orderUpdate: (id) => ask(clientSchema, { method: 'POST', path: `${clientPath(id)}/update` }),
    takeUpdateBack: (id) => ask(clientSchema, { method: 'DELETE', path: `${clientPath(id)}/update` }),
    downloads: (query) => ask(downloadListSchema, { method: 'GET', path: 'downloads', query }),
    download: (id) => ask(downloadSchema, { method: 'GET', path: downloadPath(id) }),

    async changed(id, etag, waitSeconds) {
      const headers = { prefer: `wait=${waitSeconds}`, 'if-none-match': etag }
      const patience = waitSeconds * 1000 + grace
      const answer = await http.ask({ method: 'GET', path: downloadPath(id), headers, patience })
      if (answer.status === 304) return undefined
      return { ...readAnswer(answer, downloadSchema), etag: answer.etag }
    },

    request: (body) => ask(downloadSchema, { method: 'POST', path: 'downloads', body }),
    cancel: (id) => ask(downloadSchema, { method: 'DELETE', path: downloadPath(id) }),
    retry: (id) => ask(downloadSchema, { method: 'POST', path: `${downloadPath(id)}/retry` }),

    tokens: () => ask(tokenListSchema, { method: 'GET', path: 'tokens' }),
    createToken: (body) => ask(tokenSchema, { method: 'POST', path: 'tokens', body }),
    revokeToken: (id) => revoke(`tokens/${encodeURIComponent(id)}`),
    enrolments: () => ask(enrolmentListSchema, { method: 'GET', path: 'enrolments' }),
    revokeEnrolment: (id) => revoke(`enrolments/${encodeURIComponent(id)}`),
    enrol: (body) => ask(enrolmentSchema, { method: 'POST', path: 'enrolments', body }),
    revokeClient: (clientId) =>
      ask(revokedSchema, { method: 'DELETE', path: 'credentials', query: [['client', clientId]] }),
    audit: (query) => ask(auditListSchema, { method: 'GET', path: 'audit', query }),

    content(id, headers, isArriving = false) {
      const patience = isArriving ? siteSilence : storedSilence
      return http.stream({ method: 'GET', path: `${downloadPath(id)}/content`, headers, patience })
    },

    file: (clientId, path) =>
      http.stream({
        method: 'GET',
        path: `${clientPath(clientId)}/files`,
        query: [['path', path]],
        patience: siteSilence,
      }),
  }
}
