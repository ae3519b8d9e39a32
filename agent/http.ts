import type { ClientRequest } from 'node:http'
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import got, { type Method, type Response } from 'got'
import { messageOf, systemCode } from '../shared/errors.ts'
import { handshakeFailure } from '../shared/handshake.ts'
import { problemSchema, type Problem } from '../shared/protocol.ts'
import { createAgents, isRefusal, refusalOf, tunnelStatus, type Proxy } from '../shared/proxy.ts'
import { retryAfterMs } from '../shared/retry-after.ts'
import type { TlsOptions } from '../shared/tls.ts'
import type { Limiter, Pass } from './limiter.ts'
import { TransientError } from './retry.ts'
import { createWarm } from './warm.ts'

export interface RequestBody {
  /** Sent as it is, from this very memory. */
  bytes: Buffer
  /** Bytes that are handed to the connection at once: small enough to show that a slow line moves; larger ones cost less. */
  sliceLength: number
  /** Hears of bytes that the connection has taken. */
  onMoved(bytes: number): void
}

export interface HttpRequest {
  method: Method
  /** Below the server's URL, with the leading slash. */
  path: string
  headers?: Record<string, string>
  json?: unknown
  body?: RequestBody
  /** Whose body it is, for the limit; by default whatever has one path is one job. */
  job?: string
  /** Not sent any more once it waited so long for the limit, in ms. */
  goodForMs?: number
  /** The hard limit for the whole request, in ms. */
  limitMs: number
  /** The longest time in which no byte may move, in ms; by default none but the hard limit. */
  idleMs?: number
  signal: AbortSignal
}

export interface Answer {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body. */
  bytes: Uint8Array
  /** The body, if it is JSON. */
  json: unknown
  /** The body, if it is a problem of ours (RFC 9457 with a `code`). */
  problem: Problem | undefined
  /** From Retry-After, capped at 300 s. */
  retryAfterMs: number | undefined
  /** The longest time in which nothing of the request's body moved, in ms; 0 without one. */
  quietMs: number
}

export interface Http {
  /**
   * One request, one answer; nothing is repeated and no redirect followed.
   * @throws TransientError when there is no answer, the signal's reason
   */
  request(request: HttpRequest): Promise<Answer>
  /** Opens connections that will be needed in a moment, where that is possible: not by way of a proxy. */
  warm(count: number): void
  /** The round trip of this moment, in ms, if it can be told. */
  measureRoundTrip(): Promise<number | undefined>
  /** The fastest round trip seen, in ms, if any. */
  roundTripMs(): number | undefined
  /** Closes the connections on which nothing is under way. */
  rest(): void
}

/** In bytes; the largest that is meant is a page of chunks, or what is received in a hundred thousand pieces. */
const MAX_ANSWER = 4 * 1024 * 1024
const CONNECT_MS = 10_000
const MAX_RETRY_AFTER_MS = 300_000
/** Somebody must change a setting first; and a user who fails too often may be locked out. */
const REFUSED_BY_PROXY_MS = 60_000

export interface HttpDeps {
  /** A URL without a trailing slash. */
  server: string
  userAgent: string
  proxy?: Proxy | undefined
  tls?: TlsOptions
  /** Of all bodies together. */
  limiter?: Limiter
}

export function createHttp({ server, userAgent, proxy, tls, limiter }: HttpDeps): Http {
  const agents = createAgents(proxy, tls)
  const warm = proxy ? undefined : createWarm(server.startsWith('https:') ? agents.https : agents.http)
  const client = got.extend({
    agent: agents,
    headers: { 'user-agent': userAgent, accept: 'application/json, application/problem+json' },
    retry: { limit: 0 },
    throwHttpErrors: false,
    followRedirect: false,
    responseType: 'buffer',
  })

  return {
    warm: (count) => warm?.open(count),
    measureRoundTrip: async () => warm?.measure(),
    roundTripMs: () => warm?.roundTripMs(),
    rest() {
      const idle = [agents.http, agents.https].flatMap(({ freeSockets }) => Object.values(freeSockets))
      for (const socket of idle.flatMap((sockets) => sockets ?? [])) socket.destroy()
    },

    async request({ method, path, headers, json, body, job = path, goodForMs, limitMs, idleMs, signal }) {
      signal.throwIfAborted()
      const askedAt = performance.now()
      const pass = body && (await limiter?.admit({ bytes: body.bytes.length, job, signal }))
      if (goodForMs !== undefined && performance.now() - askedAt > goodForMs) {
        pass?.leave(false)
        throw new TransientError('it waited for too long', { limited: true })
      }
      const stop = new AbortController()
      const stream = body && bodyStream(body, pass)
      let answered = false
      const answerOf = (response: Response): Answer => {
        answered = true
        return throughProxy(toAnswer(response, stream?.quietMs() ?? 0), proxy)
      }
      const options = {
        method,
        headers: { ...headers, ...(body ? { 'content-length': String(body.bytes.length) } : {}) },
        timeout: { connect: CONNECT_MS, request: limitMs, ...(idleMs === undefined ? {} : { socket: idleMs }) },
        signal: AbortSignal.any([signal, stop.signal, ...(pass ? [pass.signal] : [])]),
        ...(json === undefined ? {} : { json }),
        ...(stream ? { body: stream.readable } : {}),
      }
      const pending = client(`${server}${path}`, options)
      let sent: ClientRequest | undefined
      void pending.on('request', (request) => (sent = request))
      pass?.signal.addEventListener('abort', () => discard(sent))
      void pending.on('downloadProgress', ({ transferred }) => {
        if (transferred > MAX_ANSWER) stop.abort(new Error('the answer is too large'))
      })
      try {
        return answerOf(await pending)
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof TransientError) throw error
        const refused = proxy && tunnelStatus(error)
        if (refused) throw refusedBy(proxy, refused)
        const response = responseOf(error)
        // An answer counts even if the connection broke while we were still sending, or before its body was whole.
        if (response) return answerOf(response)
        if (pass?.signal.aborted) throw new TransientError(messageOf(pass.signal.reason), { limited: true })
        throw toTransient(error, {
          midBody: stream?.begun() ?? false,
          reused: sent?.reusedSocket ?? false,
          limitMs,
          proxy,
        })
      } finally {
        pass?.leave(answered)
        stream?.readable.destroy()
      }
    },
  }
}

/** Ends a connection with all that the kernel has still to send on it; within TLS, only with what Node has. */
function discard(request: ClientRequest | undefined): void {
  const socket = request?.socket
  if (socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
}

/** The body in slices: handing got the whole buffer costs several times the processor time. */
function bodyStream(
  { bytes, sliceLength, onMoved }: RequestBody,
  pass: Pass | undefined,
): { readable: Readable; begun: () => boolean; quietMs: () => number } {
  let begun = false
  let movedAt = performance.now()
  let longest = 0
  const quietMs = (): number => Math.max(longest, performance.now() - movedAt)
  const next = async (wanted: number): Promise<number> => {
    if (!pass) return wanted
    const askedAt = performance.now()
    const granted = await pass.take(wanted)
    // What the limit holds back is no quiet of the line.
    movedAt += performance.now() - askedAt
    return granted
  }
  const slices = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length;) {
      const length = await next(Math.min(sliceLength, bytes.length - at))
      // The request has ended meanwhile.
      if (length === 0) return
      yield bytes.subarray(at, at + length)
      at += length
      begun = true
      longest = quietMs()
      movedAt = performance.now()
      onMoved(length)
    }
  }
  return { readable: Readable.from(slices(), { highWaterMark: 1 }), begun: () => begun, quietMs }
}

function responseOf(error: unknown): Response | undefined {
  if (typeof error !== 'object' || error === null || !('response' in error)) return undefined
  const response = error.response as Response | undefined
  return response?.statusCode === undefined ? undefined : response
}

function toAnswer(response: Response, quietMs: number): Answer {
  const json = parseJson(response)
  const problem = problemSchema.safeParse(json)
  const isProblem = (response.headers['content-type'] ?? '').startsWith('application/problem+json')
  return {
    status: response.statusCode,
    headers: response.headers,
    bytes: bytesOf(response),
    json,
    problem: isProblem && problem.success ? problem.data : undefined,
    retryAfterMs: retryAfterMs(response.headers['retry-after'], response.headers.date, MAX_RETRY_AFTER_MS),
    quietMs,
  }
}

/** None of one that was cut off. */
function bytesOf(response: Response): Buffer {
  const body: unknown = response.body
  return ArrayBuffer.isView(body) ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : Buffer.alloc(0)
}

function parseJson(response: Response): unknown {
  const { headers } = response
  if (!/^application\/(problem\+)?json\b/.test(headers['content-type'] ?? '')) return undefined
  try {
    return JSON.parse(bytesOf(response).toString()) as unknown
  } catch {
    // Cut short, or a proxy's idea of JSON: an answer that is not ours.
    return undefined
  }
}

/** @throws TransientError when it is the proxy's answer, and not the server's */
function throughProxy(answer: Answer, proxy: Proxy | undefined): Answer {
  if (proxy && isRefusal(proxy, answer.status, String(answer.headers['content-type'])))
    throw refusedBy(proxy, answer.status)
  return answer
}

function refusedBy(proxy: Proxy, status: number): TransientError {
  const wait = [401, 403, 407].includes(status)
  return new TransientError(refusalOf(proxy, status), wait ? { retryAfterMs: REFUSED_BY_PROXY_MS } : {})
}

const resets = new Set(['ECONNRESET', 'EPIPE'])

function toTransient(
  error: unknown,
  sent: { midBody: boolean; reused: boolean; limitMs: number; proxy: Proxy | undefined },
): TransientError {
  const code = systemCode(error) ?? ''
  const event = typeof error === 'object' && error !== null && 'event' in error ? error.event : undefined
  if (event === 'request')
    return new TransientError(`no answer within ${sent.limitMs / 1000} s`, {
      cut: true,
      expired: true,
      unanswered: true,
    })
  const reset = resets.has(code)
  const way = sent.proxy ? `, by way of the proxy ${sent.proxy.shown}` : ''
  const why = handshakeFailure(error) ?? (messageOf(error) || code)
  return new TransientError(`${why}${way}`, {
    cut: reset,
    reset: reset && sent.midBody && !sent.reused,
    stalled: event === 'socket',
    unanswered: true,
  })
}
