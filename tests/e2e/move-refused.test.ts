import { existsSync } from 'node:fs'
import { open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { sha256Of } from '../helpers/folder.ts'
import { newHome, runMove, startMoving, type Moving, type NewHome } from '../helpers/moving.ts'
import { describeWith } from '../helpers/needs.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { start } from '../helpers/process.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
// Many programs are started, one after the other.
jest.setTimeout(300_000)

describeWith({ otherwise: postgresLacking() ?? s3Lacking() }, 'a move that cannot be made as it was asked for', () => {
  let moving: Moving
  let stack: Stack
  let home: NewHome

  beforeEach(async () => {
    moving = await startMoving()
    stack = moving.stack
    home = moving.home
  })
  afterEach(() => moving.stop())

  test('a place that is in use is refused, and nothing is changed', async () => {
    const other = await startStack({ ...home.env })
    try {
      await other.online('somebody', ['--file', join(stack.folder, 'nothing')]).catch(() => undefined)
      await stack.server.kill('SIGTERM')
      expect(await runMove(stack, home.to)).toMatchObject({ code: 1, said: { error: { code: 'in-use' } } })
      await other.server.kill('SIGTERM')
      expect(await runMove(stack, home.to)).toMatchObject({ code: 2, said: { error: { code: 'not-empty' } } })
      expect(existsSync(`${moving.database}.moved`)).toBe(false)
      // Another database cannot have the same place in the bucket.
      const mixed = { ...home.to, TO_DATABASE_URL: (await newHome()).url }
      expect(await runMove(stack, mixed)).toMatchObject({
        code: 1,
        said: { error: { message: expect.stringContaining('s3://') } },
      })
      await stack.restart()
    } finally {
      await other.stop()
    }
  })

  test('what is damaged or missing is told by name; the rest can be moved without it', async () => {
    const [good, bad, lost] = [
      await moving.finished('good', MiB),
      await moving.finished('bad', 9 * MiB),
      await moving.finished('lost', 1000),
    ]
    const failed = await moving.failedHalfway()
    await stack.server.kill('SIGTERM')
    const file = await open(bad.download['filePath'], 'r+')
    await file.write(Buffer.from([1, 2, 3, 4]), 0, 4, 8 * MiB + 100)
    await file.close()
    await rm(lost.download['filePath'])
    const part = await open(join(stack.downloads, '.incoming', `${failed.id}.1.part`), 'r+')
    await part.write(Buffer.from([1, 2, 3, 4]), 0, 4, 100)
    await part.close()

    const told = await runMove(stack, home.to)
    expect([told.code, told.said]).toMatchObject([1, { finished: false }])
    const words = (told.said['lost'] as string[]).join('\n')
    for (const name of [bad.download['filePath'], lost.download['filePath']])
      expect(words).toContain(String(name).split('/').at(-1))
    expect(words).toContain(`${failed.id}.1.part has lost ${MiB} bytes`)
    await writeFile(lost.download['filePath'], 'not what it was')
    expect(await runMove(stack, home.to, '--accept-damage')).toMatchObject({
      code: 0,
      said: { finished: true, lost: told.said['lost'].map(() => expect.anything()) },
    })
    await moving.startThere()
    expect(sha256Of(await moving.contentOf(good.download['id']))).toBe(good.sha256)
    for (const { download } of [bad, lost]) {
      const response = await fetch(`${stack.url}/downloads/${download['id']}/content`, {
        headers: bearer(ADMIN),
      })
      expect(response.status).toBe(410)
    }
    await stack.post(`/downloads/${failed.id}/retry`)
    expect((await failed.begin()).body).toMatchObject({ received: [{ start: 2 * MiB, end: 3 * MiB }] })
    expect((await failed.put(0, MiB)).status).toBe(204)
    expect((await failed.put(MiB, 2 * MiB)).status).toBe(204)
    expect((await failed.complete()).body).toMatchObject({ status: 'completed' })
  })

  test('without a place to move to, or from, it says so', async () => {
    const { code, text } = await runMove(stack, {})
    expect([code, text]).toEqual([2, expect.stringContaining('TO_DATABASE_URL must read postgres://')])
    const nowhere = start('server/main.ts', ['move'], { ...home.to, DATABASE_URL: 'sqlite:/nonexistent/backhaul.db' })
    expect([await nowhere.exited, nowhere.output()]).toEqual([1, expect.stringContaining('There is no /nonexistent')])
  })
})
