import { randomUUID } from 'node:crypto'
import type { Json, Stack } from './stack.ts'

/** What an agent of ours says of itself. */
export interface Told {
  version: string
  platform: string
  updates: boolean
}

/** A site by hand whose agent can be updated, and does nothing by itself. */
export interface UpdatableSite {
  clientId: string
  headers: Record<string, string>
  /** The answer to a poll: the list, or undefined where there is nothing new. */
  poll(options?: { seen?: number; wait?: number }): Promise<Json | undefined>
  /** Reports of an order. @returns the status, and the code of a problem */
  report(id: string, state: string, more?: Json): Promise<[status: number, code: string | undefined]>
}

/** Begins a session of a client as an agent of some version does. */
export async function updatable(
  stack: Stack,
  clientId: string,
  told: Partial<Told> = {},
  proof: Record<string, string> = {},
): Promise<UpdatableSite> {
  const { updates, ...known } = { version: '0.1.0', platform: 'linux-x64', updates: true, ...told }
  const agent = { ...known, hostname: 'till', ...(updates ? { updates } : {}) }
  const begin = { protocol: 1, clientId, instance: randomUUID(), takeover: true, agent, shared: [] }
  const { status, body } = await stack.post('/sessions', begin, proof)
  if (status !== 201) throw new Error(`the session was answered ${JSON.stringify(body)}`)
  const headers = { 'agent-session': String(body['session']) }

  return {
    clientId,
    headers,
    async poll({ seen, wait = 0 } = {}) {
      const path = `/jobs?client=${clientId}${seen === undefined ? '' : `&seen=${seen}`}`
      const answer = await fetch(stack.url + path, { headers: { ...headers, prefer: `wait=${wait}` } })
      return answer.status === 204 ? undefined : ((await answer.json()) as Json)
    },
    async report(id, state, more = {}) {
      const answer = await fetch(`${stack.url}/updates/${id}?client=${clientId}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ id, state, ...more }),
      })
      const text = await answer.text()
      return [answer.status, text === '' ? undefined : (JSON.parse(text) as Json)['code']]
    },
  }
}

/** Calls without a body. */
export async function call(stack: Stack, method: string, path: string): Promise<{ status: number; body: Json }> {
  const answer = await fetch(stack.url + path, { method })
  return { status: answer.status, body: (await answer.json()) as Json }
}
