import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { migrations } from '../../server/stores/sqlite/schema.ts'
import { envOf, placeIn } from '../helpers/backups.ts'
import { sha256Of, temporaryFolder } from '../helpers/folder.ts'
import { contentOf } from '../helpers/old-database.ts'
import { testWith } from '../helpers/needs.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { stored, storedContent, storedVersions, unpackStored } from '../helpers/stored-database.ts'

let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterAll(() => remove())

const versions = storedVersions()
const sha256 = sha256Of(storedContent())

test('there is a database of every version of the schema', () => {
  expect(versions).toEqual(migrations.map((_, index) => index + 1))
})

for (const version of versions) {
  testWith(
    // The oldest has the longest way.
    { long: version > 1 },
    `a server takes over what one with version ${version} of the schema left, and an upload goes on`,
    async () => {
      const place = placeIn(join(folder, String(version)))
      const rows = await unpackStored(version, place)
      expect(rows.map(({ status }) => status)).toEqual(Object.keys(stored.clients))
      const stack = await startStack(envOf(place))
      try {
        await checkTakenOver(stack, rows)
        expect((await stack.get('/downloads'))['count']).toBe(rows.length)
        expect(contentOf(place.database)['version']).toEqual([{ user_version: migrations.length }])
      } finally {
        await stack.stop()
      }
    },
  )
}

async function checkTakenOver(stack: Stack, rows: Record<string, unknown>[]): Promise<void> {
  const idOf = (state: string): string => String(rows.find(({ status }) => status === state)?.['id'])
  for (const { id, status, client_id, created_at, note } of rows) {
    const createdAt = new Date(Number(created_at)).toISOString()
    expect(await stack.get(`/downloads/${String(id)}`)).toMatchObject({ status, clientId: client_id, note, createdAt })
  }
  const content = await fetch(`${stack.url}/downloads/${idOf('completed')}/content`)
  expect(sha256Of(Buffer.from(await content.arrayBuffer()))).toBe(sha256)
  const here = stored.chunks.reduce((sum, [start, end]) => sum + end - start, 0)
  expect(await stack.get(`/downloads/${idOf('transferring')}`)).toMatchObject({ bytesReceived: here, attempt: 1 })

  // The agents of the time are gone; those of today go on.
  await writeFile(join(stack.folder, 'menu.txt'), storedContent())
  await stack.post(`/downloads/${idOf('failed')}/retry`)
  const { transferring, failed, queued } = stored.clients
  await Promise.all([transferring, failed, queued].map((client) => stack.online(client, ['--root', stack.folder])))
  const done = await stack.reached(idOf('transferring'), 'completed')
  expect(done).toMatchObject({ attempt: 1, bytesResent: 0, verified: true, sha256 })
  for (const state of ['failed', 'queued']) {
    expect(await stack.reached(idOf(state), 'completed')).toMatchObject({ verified: true, sha256 })
  }
}
