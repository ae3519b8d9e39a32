import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { migrations } from '../../server/stores/sqlite/schema.ts'
import { sha256Of, temporaryFolder } from '../helpers/folder.ts'
import { contentOf } from '../helpers/old-database.ts'
import { startStack } from '../helpers/stack.ts'
import { stored, storedContent, storedVersions, unpackStored } from '../helpers/stored-database.ts'

let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterAll(() => remove())

const versions = await storedVersions()
const sha256 = sha256Of(storedContent())

test('there is a database of every version of the schema', () => {
  expect(versions).toEqual(migrations.map((_, index) => index + 1))
})

test.each(versions)(
  'a server takes over what one with version %i of the schema left, and an upload goes on',
  async (version) => {
    const place = {
      database: join(folder, `${version}`, 'backhaul.db'),
      storage: join(folder, `${version}`, 'downloads'),
    }
    const rows = await unpackStored(version, place)
    expect(rows.map(({ status }) => status)).toEqual(Object.keys(stored.clients))
    const stack = await startStack({ DATABASE_URL: `sqlite:${place.database}`, STORAGE_URL: `file:${place.storage}` })
    try {
      for (const { id, status, client_id, created_at, note } of rows) {
        const found = await stack.get(`/downloads/${String(id)}`)
        expect(found).toMatchObject({
          status,
          clientId: client_id,
          note,
          createdAt: new Date(Number(created_at)).toISOString(),
        })
      }
      const idOf = (state: string): string => String(rows.find(({ status }) => status === state)?.['id'])

      const content = await fetch(`${stack.url}/downloads/${idOf('completed')}/content`)
      expect(sha256Of(Buffer.from(await content.arrayBuffer()))).toBe(sha256)

      // The agents of the time are gone; those of today go on.
      await writeFile(join(stack.folder, 'menu.txt'), storedContent())
      const here = stored.chunks.reduce((sum, [start, end]) => sum + end - start, 0)
      expect(await stack.get(`/downloads/${idOf('transferring')}`)).toMatchObject({ bytesReceived: here, attempt: 1 })
      await stack.online(stored.clients.transferring, ['--root', stack.folder])
      const done = await stack.reached(idOf('transferring'), 'completed')
      expect(done).toMatchObject({ attempt: 1, bytesResent: 0, verified: true, sha256 })

      await stack.post(`/downloads/${idOf('failed')}/retry`)
      await stack.online(stored.clients.failed, ['--root', stack.folder])
      await stack.online(stored.clients.queued, ['--root', stack.folder])
      for (const state of ['failed', 'queued']) {
        expect(await stack.reached(idOf(state), 'completed')).toMatchObject({ verified: true, sha256 })
      }
      await stack.restart()
      expect((await stack.get('/downloads'))['count']).toBe(rows.length)
      expect(contentOf(place.database)['version']).toEqual([{ user_version: migrations.length }])
    } finally {
      await stack.stop()
    }
  },
)
