import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Download } from '../../shared/operator.ts'
import type { Asked } from '../chaos/asking.ts'
import { judgeLog } from '../chaos/check/logs.ts'
import { judge } from '../chaos/check/outcome.ts'
import { bytesOf, digestOf, writeVersion } from '../chaos/content.ts'
import { makePlan } from '../chaos/plan/index.ts'
import { sha256Of, sha256OfFile, temporaryFolder } from '../helpers/folder.ts'

// The judge of a chaos run must see what is lost or untrue: else a run that passes says nothing.
describe('the judge of a chaos run', () => {
  const version = { size: 2_500_000, key: 1, patches: [{ at: 1_000_000, length: 60_000, key: 2 }] }
  const later = { ...version, patches: [...version.patches, { at: 5, length: 5, key: 3 }] }
  const sha256 = digestOf(version)
  const file = { ...makePlan(1, 60).files[0]!, kind: 'still', policy: 'fail', version } as const
  const source = { plan: file, path: '/x', versions: [version, later] }
  const asked: Asked = {
    plan: { atMs: 0, file, priority: 0, retry: false, read: false },
    id: 'a',
    versions: 2,
    size: version.size,
    cancelSent: false,
    cancelled: false,
    retried: false,
    read: undefined,
  }
  let folder: string
  let remove: () => Promise<void>
  let completed: Download

  beforeAll(async () => {
    const made = await temporaryFolder()
    folder = made.folder
    remove = made.remove
    const filePath = join(folder, 'file')
    await writeVersion(filePath, version)
    completed = {
      id: 'a',
      status: 'completed',
      verified: true,
      sha256,
      size: version.size,
      filePath,
      attempt: 1,
    } as Download
  })
  afterAll(() => remove())

  const found = (download: Partial<Download> | undefined, more: Partial<Asked> = {}) =>
    judge({
      asked: { ...asked, ...more },
      source,
      download: download && { ...completed, ...download },
      damaged: 0,
      diskWasFull: false,
    })

  test('sees a file that lay still and was begun again, and a reason of another status', async () => {
    expect(await found({ attempt: 2 })).toEqual(['was begun 2 times, though its file lay still'])
    expect(await found({ attempt: 2 }, { retried: true })).toEqual([])
    const untrue = await found({ status: 'failed', reason: 'cancelled' }, { cancelSent: true })
    expect(untrue).toEqual([expect.stringContaining('a reason that is not true: cancelled')])
  })

  test('knows the bytes that it wrote', async () => {
    expect(await sha256OfFile(completed.filePath ?? '')).toBe(sha256)
    expect(sha256Of(Buffer.concat([...bytesOf(version, 1_030_000)]))).toBe(digestOf(version, 1_030_000))
    expect(digestOf(later)).not.toBe(sha256)
  })

  test('has nothing to say where all is well', async () => {
    const read = {
      status: 200,
      whole: false,
      bytes: 1_030_000,
      sha256: digestOf(version, 1_030_000),
      etag: null,
      code: undefined,
    }
    expect(await found({}, { read })).toEqual([])
    expect(await found({ status: 'cancelled', reason: 'cancelled' }, { cancelSent: true, cancelled: true })).toEqual([])
  })

  test.each<[string, Partial<Download> | undefined, Partial<Asked>, string]>([
    ['no record', undefined, {}, 'has no record'],
    ['no end', { status: 'verifying' }, {}, 'has not ended'],
    ['no verification', { verified: false }, {}, 'without being verified'],
    ['no file', { filePath: '/nowhere' }, {}, 'is not there'],
    ['other bytes than the record says', { sha256: digestOf(later) }, {}, 'not what its record says'],
    ['a reason that is not true', { status: 'failed', reason: 'changed' }, {}, 'not true: changed'],
    ['poison that is none', { status: 'failed', reason: 'io-error' }, {}, 'not true: io-error'],
    ['a cancelled one that came back', {}, { cancelSent: true, cancelled: true }, 'was cancelled, and is completed'],
  ])('sees %s', async (_name, download, more, text) => {
    expect((await found(download, more)).join()).toContain(text)
  })

  test('sees a log that was cut to nothing', async () => {
    const filePath = join(folder, 'nothing')
    await writeFile(filePath, '')
    const grown = { ...file, kind: 'growing', policy: 'prefix' } as const
    const download = { ...completed, filePath, size: 0, sha256: sha256Of(Buffer.alloc(0)) }
    const evidence = { asked: { ...asked, plan: { ...asked.plan, file: grown } }, source: { ...source, plan: grown } }
    expect((await judge({ ...evidence, download, damaged: 0, diskWasFull: false })).join()).toContain('of no version')
  })

  test('sees a version from long before it was asked for', async () => {
    const versions = [version, later, later, later]
    const old = await judge({
      asked: { ...asked, versions: 4 },
      source: { ...source, versions },
      download: completed,
      damaged: 0,
      diskWasFull: false,
    })
    expect(old).toEqual(['its bytes are of no version of the source'])
  })

  test('sees a mix of two versions', async () => {
    const filePath = join(folder, 'mix')
    const mix = Buffer.concat([...bytesOf(later, version.size)])
    mix[1_000_001] = (mix[1_000_001] ?? 0) ^ 1
    await writeFile(filePath, mix)
    expect(await found({ filePath, sha256: sha256Of(mix) })).toEqual(['its bytes are of no version of the source'])
  })

  test('sees a reader who took a part, or wrong bytes, for the whole', async () => {
    const part = { status: 200, whole: true, bytes: 10, sha256: digestOf(version, 10), etag: null, code: undefined }
    expect((await found({}, { read: part })).join()).toContain('10 bytes, of no version')
    const wrong = { ...part, whole: false, sha256: sha256Of(Buffer.from('0123456789')) }
    expect((await found({}, { read: wrong })).join()).toContain('10 bytes of no version')
  })

  test('sees mistakes in the logs, and what is no line of them', () => {
    const line = (level: number, msg: string): string => `${JSON.stringify({ level, msg })}\n`
    expect(judgeLog('server', line(30, 'listening') + line(40, 'download failed'), false)).toEqual([])
    expect(judgeLog('agent', line(50, 'job failed: no'), false)).toEqual([])
    expect(judgeLog('server', line(50, 'request failed'), false)).toHaveLength(1)
    expect(judgeLog('server', line(50, 'request failed'), true)).toHaveLength(0)
    expect(judgeLog('agent', `${line(60, 'fatal')}    at Object.<anonymous>\n`, false)).toHaveLength(2)
  })
})
