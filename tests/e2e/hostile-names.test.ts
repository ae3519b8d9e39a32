import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startStack, type Stack } from '../helpers/stack.ts'

/** Ends a header and a log line, clears a terminal, turns text around, leaves a quoted string and a folder. */
const HOSTILE = '..\\"; x="\r\nset-cookie: evil=1\r\n\u001b[2J\u202eé.txt'

describe('a file with a hostile name', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  test('arrives under one that breaks no header, no log line and no folder', async () => {
    const file = join(stack.folder, HOSTILE)
    await writeFile(file, 'content')
    const agent = await stack.online('site', ['--file', file])
    const { id } = await stack.ask({ clientId: 'site' })
    const { filePath } = await stack.reached(id, 'completed')
    expect(String(filePath).slice(stack.downloads.length)).toMatch(/^\/site_[^/\\\p{Cc}\p{Cf}]+\.txt$/u)
    const answer = await fetch(`${stack.url}/downloads/${id}/content`)
    expect([answer.status, await answer.text()]).toEqual([200, 'content'])
    expect(answer.headers.get('set-cookie')).toBe(null)
    expect(answer.headers.get('content-disposition')).toMatch(
      /^attachment; filename="[^"\\]*(\\"[^"\\]*)*"; filename\*=UTF-8''[\w%!#$&+^`|~.-]+$/,
    )
    const lines = [stack.server, agent].flatMap(({ output }) => output().split('\n')).filter((line) => line !== '')
    for (const line of lines) {
      expect(() => JSON.parse(line)).not.toThrow()
      expect(line).not.toMatch(/\p{Cc}|\p{Cf}/u)
    }
    expect(lines.some((line) => line.includes('set-cookie'))).toBe(true)
  })
})
