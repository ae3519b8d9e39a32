import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { watchFile, type Content } from '../../agent/limit-file.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { until } from '../helpers/until.ts'

test('what a file says once only does not count: it may be half of what is being written', async () => {
  const { folder, remove } = await temporaryFolder()
  const path = join(folder, 'limit')
  const told: Content[] = []
  const stop = new AbortController()
  const onContent = (content: Content): void => void told.push(content)
  const watching = watchFile({ path, known: { absent: true }, onContent, signal: stop.signal })
  try {
    let version = 0
    // Nothing is there twice, however often it is looked at; that is several times.
    for (const startedAt = performance.now(); performance.now() - startedAt < 500;) {
      version += 1
      await writeFile(`${path}~`, String(version))
      await rename(`${path}~`, path)
    }
    expect(told).toEqual([])
    await until('what stays to count', async () => told.length > 0)
    expect(told).toEqual([{ text: String(version) }])
  } finally {
    stop.abort()
    await watching
    await remove()
  }
})
