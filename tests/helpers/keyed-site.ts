import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { createAdmission } from '../../agent/admission.ts'
import { openKeys, type Keys } from '../../agent/credential.ts'
import { createHttp } from '../../agent/http.ts'
import type { Session } from '../../shared/protocol.ts'
import { sessionRequest } from '../contract/drafts.ts'
import type { Json, Stack } from './stack.ts'

/** A site with a key of its own that begins sessions, each as after a start of its agent. */
export interface KeyedSite {
  clientId: string
  /** Where its key is, once it has one. */
  dir: string
  /** Its files as they are now. */
  keys(): Keys
  enter(how?: { url?: string; enrolToken?: string; keyAge?: number; keys?: Keys; patient?: boolean }): Promise<Session>
  /** What it said of its key: levels of pino and sentences. */
  said(): [level: number, sentence: string][]
  /** The server's credentials of this site, oldest first: whether each is in force. */
  inForce(): Promise<boolean[]>
}

export function createKeyedSite(stack: Stack): KeyedSite {
  const clientId = `shop_${randomUUID().slice(0, 8)}`
  const dir = join(stack.folder, clientId)
  const said: Json[] = []
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      said.push(JSON.parse(line.toString()) as Json)
      done()
    },
  })
  const keys = (): Keys => openKeys({ dir, clientId })

  return {
    clientId,
    dir,
    keys,
    enter({ url = stack.url, enrolToken, keyAge, keys: own = keys(), patient = false } = {}) {
      const http = createHttp({ server: url, userAgent: 'test' })
      const admit = createAdmission({
        http,
        origin: new URL(url).origin,
        keys: own,
        enrolToken,
        keyAge,
        log: pino(stream),
      })
      return admit({ ...sessionRequest(clientId, randomUUID()), takeover: !patient }, AbortSignal.timeout(10_000))
    },
    said: () => said.map(({ level, msg }) => [Number(level), String(msg)]),
    async inForce() {
      const { credentials } = await stack.get(`/credentials?client=${clientId}`)
      return (credentials as Json[]).map(({ revokedAt }) => revokedAt === null)
    },
  }
}

/** Makes an enrolment token for a client. */
export async function enrolmentFor(stack: Stack, clientId: string, uses = 1): Promise<{ id: string; secret: string }> {
  const { id, secret } = (await stack.post('/enrolments', { clients: clientId, uses })).body
  return { id: String(id), secret: String(secret) }
}

/** A site whose key the server knows. */
export async function enrolledSite(stack: Stack): Promise<KeyedSite> {
  const site = createKeyedSite(stack)
  const { secret } = await enrolmentFor(stack, site.clientId)
  await site.enter({ enrolToken: secret })
  return site
}
