import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openKeys } from '../../agent/credential.ts'
import { bearer } from '../helpers/admin.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

type Headers = Record<string, string>

// Somebody has a copy of everything that the server keeps, but for the file that the first admin is told to read.
describe('a stolen database', () => {
  let stack: Stack
  /** Everything that lets somebody in, by what it is. */
  const secrets: Record<string, string> = {}
  /** The number of the session that the session's token is for. */
  let session: string

  const postAs = async (token: string, path: string, body: Json): Promise<Json> => {
    const answer = await stack.post(path, body, bearer(token))
    expect([path, answer.status]).toEqual([path, 201])
    return answer.body
  }

  /** A site with a key: it is enrolled, and begins a session with a proof. */
  const beginSession = async (clientId: string, enrolment: string): Promise<Json> => {
    const key = await openKeys({ dir: join(stack.folder, 'site'), clientId }).current()
    const { id } = await postAs(enrolment, '/credentials', { clientId, publicKey: key.publicKey })
    await key.enrolled(String(id))
    const agent = { version: 'test', platform: 'test', hostname: 'test' }
    const request = { protocol: 1, clientId, instance: 'x'.repeat(16), takeover: true, agent, shared: [] }
    const stranger = await stack.post('/sessions', request)
    const [, nonce = ''] = /nonce="([^"]+)"/.exec(stranger.headers.get('www-authenticate') ?? '') ?? []
    const authorization = key.prove({ purpose: 'session', nonce, subject: request.instance, origin: stack.url })
    const begun = await stack.post('/sessions', request, { authorization })
    expect(begun.status).toBe(201)
    return begun.body
  }

  const statusOf = async (path: string, headers: Headers): Promise<number> =>
    (await fetch(stack.url + path, { headers })).status

  /** What is in the files of the server's folders, by name. */
  const files = async (): Promise<[string, Buffer][]> => {
    const found = await readdir(join(stack.folder, 'data'), { recursive: true, withFileTypes: true })
    const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    const stolen = paths.filter((path) => !path.endsWith('/admin-token'))
    return Promise.all(stolen.map(async (path): Promise<[string, Buffer]> => [path, await readFile(path)]))
  }

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on' })
    const admin = (await readFile(join(stack.folder, 'data', 'admin-token'), 'utf8')).trim()
    secrets['admin'] = admin
    const token = await postAs(admin, '/tokens', { name: 'head office', role: 'operator' })
    secrets['operator'] = String(token['secret'])
    const enrol = async (clients: string): Promise<string> =>
      String((await postAs(admin, '/enrolments', { clients, uses: 2 }))['secret'])
    secrets['enrolment'] = await enrol('till')
    secrets['bearer'] = String((await postAs(await enrol('curl'), '/credentials', { clientId: 'curl' }))['secret'])
    const begun = await beginSession('till', secrets['enrolment'])
    secrets['session'] = String(begun['token'])
    session = String(begun['session'])
  })
  afterAll(() => stack.stop())

  test('holds hashes and public keys, and no secret', async () => {
    const key = await readFile(join(stack.folder, 'site', 'key.pem'), 'utf8')
    const pkcs8 = Buffer.from(key.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64')
    // The seed of an Ed25519 key is what PKCS #8 ends with (RFC 8410).
    const raw: [string, Buffer][] = [['private key', pkcs8.subarray(-32)]]
    for (const [what, secret] of Object.entries(secrets)) {
      expect(secret).toMatch(/^bh[oebs]_[A-Za-z0-9_-]{43}$/)
      raw.push([what, Buffer.from(secret.slice(4), 'base64url')])
    }
    const search = async (): Promise<void> => {
      const stolen = await files()
      const holds = (bytes: Buffer | string): boolean => stolen.some(([, content]) => content.includes(bytes))
      for (const secret of Object.values(secrets)) {
        // These are the files in question.
        expect(holds(createHash('sha256').update(secret).digest('hex'))).toBe(true)
      }
      for (const [what, bytes] of raw) {
        const texts = [bytes.toString('base64url'), bytes.toString('base64'), bytes.toString('hex')]
        expect([what, [bytes, ...texts].filter(holds)]).toEqual([what, []])
      }
    }
    await search()
    // Its log was written back into the database, and it was opened anew.
    await stack.restart()
    await search()
  })

  test('lets nobody in: what is in it is no token, in whatever form', async () => {
    const path = '/jobs?client=till'
    const mine = { ...bearer(String(secrets['session'])), 'agent-session': session }
    expect(await statusOf('/downloads', bearer(String(secrets['operator'])))).toBe(200)
    expect(await statusOf('/jobs?client=curl', bearer(String(secrets['bearer'])))).toBe(204)
    expect(await statusOf(path, mine)).toBe(204)
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'), { readOnly: true })
    const hashes = ['tokens', 'enrolments', 'credentials', 'session_tokens'].flatMap((table) =>
      db.prepare(`SELECT hash FROM ${table} WHERE hash IS NOT NULL`).all(),
    )
    const others = [
      ...db.prepare('SELECT public_key AS value FROM credentials WHERE public_key IS NOT NULL').all(),
      ...db.prepare('SELECT value FROM secrets').all(),
    ]
    db.close()
    // Two operators, two enrolments, the curl agent's credential and a session.
    expect(hashes.length).toBe(6)
    const prefixes = ['bho_', 'bhe_', 'bhb_', 'bhs_']
    const shaped = hashes.flatMap(({ hash }) => {
      const bytes = Buffer.from(String(hash), 'hex').toString('base64url')
      return [String(hash), ...prefixes.map((prefix) => prefix + bytes)]
    })
    const tried = [...shaped, ...others.map(({ value }) => String(value))]
    for (const token of tried) {
      const headers = { ...bearer(token), 'agent-session': session }
      expect([token, await statusOf(path, headers)]).toEqual([token, 401])
    }
  })
})
