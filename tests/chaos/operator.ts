import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { downloadSchema, type Download } from '../../shared/operator.ts'
import { z } from 'zod'

/** An operator who asks until there is an answer, whatever becomes of the server meanwhile. */
export interface Operator {
  /** Asks for a file. The same request, however often it must be sent. @throws the signal's reason */
  ask(body: Record<string, unknown>): Promise<Download>
  /** @returns the status of the answer */
  cancel(id: string): Promise<number>
  retry(id: string): Promise<number>
  /** Every download there is. */
  all(): Promise<Download[]>
}

/** How long one try may take, in ms: a stopped server answers nothing. */
const TRY_MS = 5000
const AGAIN_MS = 200

const pageSchema = z.object({ downloads: z.array(downloadSchema), next: z.string().nullable() })

export function createOperator(url: string, signal: AbortSignal): Operator {
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    for (;;) {
      signal.throwIfAborted()
      const answer = await tryOnce(method, path, body, headers).catch(() => undefined)
      if (answer && answer.status < 500) return answer
      await delay(AGAIN_MS)
    }
  }

  const tryOnce = async (method: string, path: string, body: unknown, headers: Record<string, string>) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]),
    })
    return { status: response.status, body: await response.json() }
  }

  return {
    async ask(body) {
      const answer = await call('POST', '/downloads', body, { 'idempotency-key': randomUUID() })
      if (answer.status !== 202) throw new Error(`asking was answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      return downloadSchema.parse(answer.body)
    },
    cancel: async (id) => (await call('DELETE', `/downloads/${id}`)).status,
    retry: async (id) => (await call('POST', `/downloads/${id}/retry`)).status,
    async all() {
      const downloads: Download[] = []
      for (let cursor = ''; ;) {
        const { body } = await call('GET', `/downloads?limit=1000${cursor}`)
        const page = pageSchema.parse(body)
        downloads.push(...page.downloads)
        if (page.next === null) return downloads
        cursor = `&cursor=${page.next}`
      }
    },
  }
}
