import type { Log } from '../../shared/log.ts'
import type { Clock } from '../ports.ts'
import type { Delivery, WebhookStore } from '../webhook-ports.ts'
import { messageId } from './message.ts'
import type { Answer, Post } from './post.ts'
import { pauseAfter, TRIED_FOR } from './schedule.ts'
import type { Endpoint } from './settings.ts'
import { signedHeaders } from './sign.ts'

export type Outcome = 'delivered' | 'retried' | 'given-up'

export interface DeliverDeps {
  endpoint: Endpoint
  post: Post
  webhooks: WebhookStore
  secrets: readonly Buffer[]
  clock: Clock
  log: Log
  count: (outcome: Outcome, deliveries?: number) => void
}

/** Writes down what became of an attempt. */
export type Write = () => Promise<void>

/**
 * Sends what is given to it, and judges the answers.
 * @returns of each attempt what is to be written down; undefined for one that was cut off by `signal`
 */
export function createDeliver(
  deps: DeliverDeps,
): (delivery: Delivery, signal: AbortSignal) => Promise<Write | undefined> {
  const { endpoint, post, webhooks, secrets, clock, log, count } = deps
  const { key, shown } = endpoint
  let isFailing = false

  const taken = ({ event }: Delivery): Write => {
    if (isFailing) log.info({ endpoint: shown }, 'webhooks are taken again')
    isFailing = false
    count('delivered')
    return () => webhooks.remove(key, event)
  }

  const givenUp = ({ event, body }: Delivery, attempts: number, { what }: Answer): Write => {
    const { type, data } = JSON.parse(body) as { type: string; data: { downloadId: string | null } }
    log.warn({ endpoint: shown, type, id: data.downloadId, attempts, answer: what }, 'a webhook is given up')
    count('given-up')
    return () => webhooks.remove(key, event)
  }

  const refused = (delivery: Delivery, answer: Answer): Write => {
    const { event, at } = delivery
    const attempts = delivery.attempts + 1
    const nextAt = Math.ceil(clock.now() + pauseAfter(attempts - 1, answer.retryAfterMs))
    if (answer.status === 410 || nextAt > at + TRIED_FOR) return givenUp(delivery, attempts, answer)
    if (!isFailing) log.warn({ endpoint: shown, answer: answer.what }, 'webhooks are not taken; they are sent again')
    isFailing = true
    count('retried')
    return () => webhooks.postpone(key, { event, attempts, nextAt, lastStatus: answer.status ?? null })
  }

  return async (delivery, signal) => {
    const { event, body } = delivery
    const headers = signedHeaders({ id: messageId(event), at: clock.now(), body }, secrets)
    const answer = await post.send(body, headers, signal)
    if (answer.status === undefined && signal.aborted) return undefined
    return answer.status !== undefined && answer.status >= 200 && answer.status < 300
      ? taken(delivery)
      : refused(delivery, answer)
  }
}
