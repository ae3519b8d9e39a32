import { createHmac } from 'node:crypto'

/**
 * The headers of a message as Standard Webhooks has them (https://www.standardwebhooks.com): the signature is over id, time and
 * body, so that none of them can be another's.
 * @param message.at when it is sent, epoch ms
 * @param message.id without a full stop, which stands between what is signed
 */
export function signedHeaders(
  { id, at, body }: { id: string; at: number; body: string },
  secrets: readonly Buffer[],
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000))
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  )
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
