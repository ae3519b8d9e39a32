import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { start as startProcess, startNpm } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

// What an answer promises is on the disk before the answer leaves.
describe('durability', () => {
  let stack: Stack
  const content = randomBytes(3_000_000)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const begun = () => beginByHand(stack, content)

  testWith(
    { programs: ['strace'] },
    'a system call trace: the data is synced after its last write and before the row, the row before each 204',
    async () => {
      const { put } = await begun()
      const output = join(stack.folder, 'trace')
      const strace = spawn(
        'strace',
        [
          '-f',
          '-y',
          '-s',
          '40',
          '-o',
          output,
          '-e',
          'trace=pwrite64,pwritev,write,writev,fdatasync,fsync',
          '-p',
          String(stack.server.pid),
        ],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      )
      let attached = ''
      strace.stderr.on('data', (data) => (attached += String(data)))
      await until('strace to be attached', async () => attached.includes('attached'))
      for (const from of [0, 1_000_000, 2_000_000]) expect((await put(from, from + 1_000_000)).status).toBe(204)
      strace.kill('SIGINT')
      await once(strace, 'exit')

      const calls = systemCalls(await readFile(output, 'utf8'))
      const answers = calls.filter(({ text }) => text.includes('HTTP/1.1 204'))
      expect(answers).toHaveLength(3)
      let after = -1
      for (const answer of answers) {
        const steps = calls.filter(({ began }) => began > after && began <= answer.began)
        const only = (pattern: RegExp): Call[] => steps.filter(({ text }) => pattern.test(text))
        const lastWrite = only(/^pwrite\w*\(\d+<[^>]*\.part>/).at(-1)
        const dataSync = only(/^fdatasync\(\d+<[^>]*\.part>/).at(-1)
        const row = only(/^pwrite\w*\(\d+<[^>]*backhaul\.db-wal>/).at(0)
        const rowSync = only(/^(fdatasync|fsync)\(\d+<[^>]*backhaul\.db-wal>/).at(-1)
        const sequence = [lastWrite, dataSync, row, rowSync, answer]
        for (const [index, call] of sequence.entries()) {
          expect(call).toBeDefined()
          if (index > 0) expect(call!.began).toBeGreaterThan(sequence[index - 1]!.ended)
        }
        after = answer.ended
      }
    },
  )

  test('chunks that were acknowledged are there after SIGKILL', async () => {
    const { id, put } = await begun()
    await put(1_000_000, 2_000_000)
    await stack.restart('SIGKILL')
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({
      status: 'transferring',
      attempt: 1,
      received: [{ start: 1_000_000, end: 2_000_000 }],
    })
  })

  test('a verification that was cut off is finished by the next start', async () => {
    const { id, put } = await begun()
    for (const from of [0, 1_000_000, 2_000_000]) await put(from, from + 1_000_000)
    await stack.server.kill('SIGKILL')
    // The state that a crash leaves between the update to verifying and the end of the verification.
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'))
    db.prepare(`UPDATE downloads SET status = 'verifying', sha256 = ?, name = 'cut_off' WHERE id = ?`).run(sha256, id)
    db.close()
    await stack.restart()
    expect(await stack.reached(id, 'completed')).toMatchObject({
      verified: true,
      sha256,
      filePath: join(stack.downloads, 'cut_off'),
    })
  })

  test('a part that is shorter than its rows, or gone, means a new attempt', async () => {
    const { id, put } = await begun()
    await put(0, 1_000_000)
    await stack.server.kill('SIGTERM')
    await truncate(join(stack.downloads, '.incoming', `${id}.1.part`), 500_000)
    await stack.restart()
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ status: 'queued', received: [] })
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ reason: 'io-error', bytesReceived: 0 })
  })

  test('a part without a row is removed at the start', async () => {
    const { id, headers } = await begun()
    await stack.post(`/jobs/${id}/fail`, { code: 'io-error', attempt: 1 }, headers)
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'))
    await stack.server.kill('SIGTERM')
    db.prepare('UPDATE downloads SET attempt = 7 WHERE id = ?').run(id)
    db.close()
    await stack.restart()
    expect((await readdir(join(stack.downloads, '.incoming'))).filter((name) => name.startsWith(id))).toEqual([])
  })

  test.each([
    ['folder', 'second.db', 'downloads', 'downloads'],
    ['database', 'data/backhaul.db', 'other', 'data/backhaul.db'],
  ])(
    'a second server on the same %s is refused, and does nothing to the first',
    async (_name, database, storage, held) => {
      const { id, put } = await begun()
      await put(0, 1_000_000)
      const second = startProcess('server/main.ts', [], {
        PORT: '0',
        DATABASE_URL: `sqlite:${join(stack.folder, database)}`,
        STORAGE_URL: `file:${join(stack.folder, storage)}`,
      })
      expect(await second.exited).toBe(1)
      expect(second.output()).toBe(
        `backhaul server: another server process is using ${join(stack.folder, held)}; ` +
          'stop it, or give each a DATABASE_URL and a STORAGE_URL of its own\n',
      )
      expect(await stack.get(`/jobs/${id}`)).toMatchObject({
        status: 'transferring',
        received: [{ start: 0, end: 1_000_000 }],
      })
    },
  )

  test('ending npm ends the server that it started', async () => {
    const env = { PORT: '0', DATABASE_URL: `sqlite:${stack.folder}/npm.db`, STORAGE_URL: `file:${stack.folder}/npm` }
    const npm = startNpm(['start'], env)
    const { pid, port } = await npm.line((line) => line['msg'] === 'listening')
    const gone = async (): Promise<boolean> => {
      try {
        return !process.kill(Number(pid), 0)
      } catch {
        return true
      }
    }
    try {
      process.kill(npm.pid, 'SIGTERM')
      await until('the server to be gone', gone)
      await expect(fetch(`http://127.0.0.1:${String(port)}/health`)).rejects.toThrow()
    } finally {
      if (!(await gone())) process.kill(Number(pid), 'SIGKILL')
    }
  })

  test('every mistake of the configuration is told at once, by name', async () => {
    const mistakes = {
      PORT: 'http',
      DATABASE_URL: 'mysql:x',
      STORAGE_URL: 'downloads',
      LOG_LEVEL: 'loud',
      DOWNLOAD_TIMEOUT: '0',
      CLIENT_QUOTA: 'much',
      RETENTION: '0d',
      AUTH: 'off',
      ADMIN_TOKEN: 'short-secret',
      ENROL_TOKEN: 'easy-to-guess',
      ENROL_CLIENTS: 'till 1',
      LENGTH_LIMIT: 'some',
      TRUST_PROXY: 'yes',
      ORIGINS: 'https://hub.example/path',
    }
    const wrong = startProcess('server/main.ts', [], mistakes)
    expect(await wrong.exited).toBe(2)
    for (const name of Object.keys(mistakes)) expect(wrong.output()).toContain(`backhaul server: ${name} must`)
    for (const secret of [mistakes.ADMIN_TOKEN, mistakes.ENROL_TOKEN]) expect(wrong.output()).not.toContain(secret)
  })

  test('a job of a kind that the agent does not know fails as unsupported', async () => {
    const file = join(stack.folder, 'f')
    await stack.online('old_agent', ['--file', file])
    const { id } = await stack.ask({ clientId: 'old_agent', path: 'x', priority: -1 })
    await stack.reached(id, 'failed')
    // Only a later server queues such a job.
    const db = new DatabaseSync(join(stack.folder, 'data', 'backhaul.db'))
    db.prepare(`UPDATE downloads SET kind = 'folder' WHERE id = ?`).run(id)
    db.close()
    await stack.post(`/downloads/${id}/retry`)
    await until('the failure', async () => (await stack.get(`/downloads/${id}`))['reason'] === 'unsupported')
  })
})

interface Call {
  text: string
  /** Lines of the trace at which the call began and returned. */
  began: number
  ended: number
}

/** The calls of all threads; a call that another thread's interrupted stands on two lines. */
function systemCalls(trace: string): Call[] {
  const unfinished = new Map<string, Call>()
  const calls: Call[] = []
  for (const [line, content] of trace.split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(content) ?? []
    const resumed = text.startsWith('<...') ? unfinished.get(thread) : undefined
    if (resumed) {
      resumed.ended = line
      continue
    }
    const call = { text, began: line, ended: line }
    calls.push(call)
    if (text.endsWith('<unfinished ...>')) unfinished.set(thread, call)
  }
  return calls
}
