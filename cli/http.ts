import type { IncomingHttpHeaders } from 'node:http'
import got, { RequestError } from 'got'
import { messageOf } from '../shared/errors.ts'
import { handshakeFailure } from '../shared/handshake.ts'
import { createAgents, isRefusal, refusalOf, tunnelStatus, type Proxy } from '../shared/proxy.ts'
import type { TlsOptions } from '../shared/tls.ts'
import { refusal, type RawAnswer } from './answers.ts'
import { CliError } from './errors.ts'
import { shownUrl } from './server-url.ts'

export interface Ask {
  method: 'GET' | 'POST' | 'DELETE'
  /** Below the server's address, without a leading slash, escaped. */
  path: string
  query?: [string, string][]
  headers?: Record<string, string>
  body?: unknown
  /** ms until the answer must have begun; of a stream also the longest silence. */
  patience?: number
}

/** An answer whose body is still to be read. Whoever does not read it to its end calls `close`. */
export interface ContentStream {
  status: number
  headers: IncomingHttpHeaders
  chunks: AsyncIterable<Buffer>
  close(): void
}

export interface Http {
  /**
   * One request; 2xx and 304 are answers.
   * @throws CliError `server-unreachable`, `proxy-refused`, `answer-unknown`, or the problem that the server sent
   */
  ask(ask: Ask): Promise<RawAnswer & { etag: string | undefined }>
  /** The same with a body that is read as it comes. What breaks in the middle is a CliError `connection-broken`. */
  stream(ask: Ask): Promise<ContentStream>
}

const usualPatience = 30_000
const connectPatience = 10_000
const longestProblem = 64 * 1024

export interface HttpDeps {
  server: URL
  version: string
  proxy?: Proxy | undefined
  tls?: TlsOptions
  /** Of the user, if there is one. */
  token?: () => string | undefined
  /** Where the token comes from, for people. */
  tokenSource?: string
  /** How the user called this program. */
  program?: string
  signal: AbortSignal
}

/** Requests to one server. Nothing is repeated here; what may be tried again is its caller's to know. */
export function createHttp({
  server,
  version,
  proxy,
  tls,
  token = () => undefined,
  tokenSource = 'given',
  program = 'backhaul',
  signal,
}: HttpDeps): Http {
  const client = got.extend({
    agent: createAgents(proxy, tls),
    retry: { limit: 0 },
    throwHttpErrors: false,
    followRedirect: false,
    headers: { 'user-agent': `backhaul-cli/${version}` },
    signal,
  })

  function urlOf({ path, query = [] }: Ask): URL {
    const url = new URL(path, server)
    for (const [name, value] of query) url.searchParams.append(name, value)
    return url
  }

  function unreachable(error: unknown): unknown {
    if (signal.aborted || !(error instanceof RequestError)) return error
    const refused = proxy && tunnelStatus(error)
    if (refused) return refusedBy(proxy, refused)
    const handshake = handshakeFailure(error)
    const why = handshake ?? `${messageOf(error)}; is the server running, and is --server right${doubt(server, error)}?`
    return new CliError(
      'server-unreachable',
      `${shownUrl(server)} ${handshake ? 'cannot be used' : 'does not answer'}: ${why}`,
      { cause: error },
    )
  }

  /** Whose token it was, and how there is one, is known here alone. */
  function refusedHere(answer: RawAnswer): CliError {
    const error = refusal(answer)
    if (error.code !== 'unauthenticated') return error
    const message =
      token() === undefined
        ? `${shownUrl(server)} wants a token: "${program} login" keeps one, BACKHAUL_TOKEN gives one.`
        : `${shownUrl(server)}, asked with the token ${tokenSource}: ${error.message}`
    return new CliError(error.code, message, { status: answer.status, cause: error })
  }

  return {
    async ask(ask) {
      const url = urlOf(ask)
      try {
        const { statusCode, headers, body } = await client(url, optionsOf(ask, token()))
        if (proxy && isRefusal(proxy, statusCode, headers['content-type'])) throw refusedBy(proxy, statusCode)
        const answer = { ...described(url, statusCode, headers), body, etag: headers.etag }
        if (statusCode !== 304 && (statusCode < 200 || statusCode > 299)) throw refusedHere(answer)
        return answer
      } catch (error) {
        throw unreachable(error)
      }
    },

    async stream(ask) {
      const url = urlOf(ask)
      const options = optionsOf(ask, token())
      // Not decompressed: lengths, ranges and digests are those of the bytes as they come.
      const timeout = { ...options.timeout, socket: options.timeout.response }
      const request = client.stream(url, { ...options, timeout, decompress: false })
      const close = (): void => void request.destroy()
      // Reading the stream throws the same error; without a listener, one that comes before the reading would end the process.
      request.on('error', () => undefined)
      try {
        const response = await new Promise<{ statusCode: number; headers: IncomingHttpHeaders }>((resolve, reject) => {
          request.once('response', resolve)
          request.once('error', reject)
        })
        const { statusCode: status, headers } = response
        if (proxy && isRefusal(proxy, status, headers['content-type'])) throw refusedBy(proxy, status)
        const chunks = brokenAsSuch(request)
        if (status >= 200 && status <= 299) return { status, headers, chunks, close }
        throw refusedHere({ ...described(url, status, headers), body: await beginningOf(chunks) })
      } catch (error) {
        close()
        throw unreachable(error)
      }
    },
  }

  async function* brokenAsSuch(request: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      yield* request
    } catch (error) {
      if (signal.aborted) throw error
      throw new CliError('connection-broken', `The connection to ${shownUrl(server)} broke: ${messageOf(error)}.`, {
        cause: error,
      })
    }
  }
}

function refusedBy(proxy: Proxy, status: number): CliError {
  return new CliError('proxy-refused', `${refusalOf(proxy, status)}.`)
}

/** A server of TLS hangs up on plain HTTP without a word. */
function doubt(server: URL, error: RequestError): string {
  return server.protocol === 'http:' && error.code === 'ECONNRESET' ? ' (with TLS: https://)' : ''
}

function optionsOf({ method, headers: given = {}, body, patience = usualPatience }: Ask, token: string | undefined) {
  const headers = { ...given, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
  const timeout = { connect: connectPatience, response: patience }
  return body === undefined ? { method, headers, timeout } : { method, headers, timeout, json: body }
}

function described(url: URL, status: number, headers: IncomingHttpHeaders): Omit<RawAnswer, 'body'> {
  return { url: shownUrl(url), status, contentType: headers['content-type'] ?? '', location: headers.location }
}

async function beginningOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const chunk of chunks) {
    parts.push(chunk)
    length += chunk.length
    if (length >= longestProblem) break
  }
  return Buffer.concat(parts).toString()
}
