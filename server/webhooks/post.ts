import type { Socket } from 'node:net'
import got from 'got'
import { messageOf, systemCode } from '../../shared/errors.ts'
import { createAgents } from '../../shared/proxy.ts'
import { retryAfterMs } from '../../shared/retry-after.ts'
import { LONGEST_PAUSE } from './schedule.ts'
import type { Endpoint } from './settings.ts'

export interface Answer {
  /** Undefined where there was none. */
  status: number | undefined
  retryAfterMs: number | undefined
  /** For people: `HTTP 500`, or why there was no answer; without the URL. */
  what: string
}

export interface Post {
  /** One request; never throws, and follows no redirect. */
  send(body: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer>
  /** Closes its connections. */
  close(): void
}

/** For all of a request, in ms. */
const LIMIT = 15_000
/** Of an answer's body, in bytes: as much as it takes for the connection to be used again. */
const MOST_READ = 1024

export function createPost({ url, proxy }: Endpoint, userAgent: string): Post {
  const agents = createAgents(proxy)
  const client = got.extend({
    agent: agents,
    method: 'POST',
    headers: { 'user-agent': userAgent, 'content-type': 'application/json' },
    retry: { limit: 0 },
    timeout: { request: LIMIT },
    throwHttpErrors: false,
    followRedirect: false,
    decompress: false,
  })

  return {
    async send(body, headers, signal) {
      const answer = client.stream(url, { body, headers, signal })
      // Nobody asked for it, and nobody else would ever close such a connection.
      answer.once('upgrade', (_, socket: Socket) => {
        socket.destroy()
        answer.destroy(new Error('HTTP 101'))
      })
      try {
        let read = 0
        for await (const bytes of answer) {
          read += (bytes as Buffer).length
          if (read > MOST_READ) break
        }
      } catch (error) {
        // The status counts, whatever became of the body.
        if (!answer.response) return { status: undefined, retryAfterMs: undefined, what: reasonOf(error) }
      } finally {
        answer.destroy()
      }
      const { statusCode: status, headers: told } = answer.response!
      return {
        status,
        retryAfterMs: retryAfterMs(told['retry-after'], told.date, LONGEST_PAUSE),
        what: `HTTP ${status}`,
      }
    },
    close() {
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

const reasonOf = (error: unknown): string =>
  systemCode(error) === 'ETIMEDOUT' ? `no answer within ${LIMIT / 1000} s` : messageOf(error)
