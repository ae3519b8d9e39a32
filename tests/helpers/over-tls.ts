import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'

export interface Call {
  method?: string
  path: string
  headers?: Record<string, string | number>
  /** The address to call from, such as 127.0.0.2. */
  from?: string
}

/** Calls to a server whose certificate is `ca`, each over a connection of its own. */
export function callsOverTls(url: string, ca: Buffer) {
  const begin = ({ method = 'GET', path, headers = {}, from }: Call): ClientRequest =>
    request(url + path, { method, headers, ca, agent: false, ...(from === undefined ? {} : { localAddress: from }) })
  const answerOf = async (asking: ClientRequest): Promise<IncomingMessage> => {
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    return answer
  }
  return {
    begin,
    answerOf,
    async text(call: Call): Promise<{ status: number; body: string }> {
      const answer = await answerOf(begin(call).end())
      return { status: answer.statusCode ?? 0, body: await text(answer) }
    },
  }
}
