import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder, start, type Running } from '../helpers/process.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { needsTerminal, openTerminal } from '../helpers/terminal.ts'
import { until } from '../helpers/until.ts'

/** Ends it as Ctrl+C does. */
async function end(watching: Running): Promise<void> {
  await watching.kill('SIGINT')
  expect(watching.child.exitCode).toBe(130)
}

// `backhaul watch` against a real server and agent, its output piped, and in a real terminal.
describe('CLI watch', () => {
  let stack: Stack
  const size = 300_000
  let agent: Running

  beforeAll(async () => {
    stack = await startStack()
    await mkdir(join(stack.folder, 'root'))
    await writeRandom(join(stack.folder, 'root', 'till.csv'), size)
    agent = await stack.online('shop_1', ['--root', join(stack.folder, 'root'), '--label', 'region=west'])
    // A client that is known, and does not work.
    await fetch(`${stack.url}/jobs?client=away`)
  })
  afterAll(async () => {
    await Promise.all(watchers.map((one) => one.kill('SIGKILL')))
    await stack.stop()
  })

  const watchers: Running[] = []
  const watch = (...args: string[]): Running => {
    const started = start('cli/main.ts', ['watch', ...args], { HOME: stack.folder, SERVER_URL: stack.url })
    watchers.push(started)
    return started
  }
  const printed = (watching: Running, what: RegExp): Promise<boolean> =>
    until(`it to print ${what}, and not only\n${watching.output()}`, async () => what.test(watching.output()))

  test('piped prints what is under way, then each new status, and nothing that ended before', async () => {
    const old = await stack.ask({ clientId: 'shop_1', path: 'till.csv' })
    await stack.reached(old['id'], 'completed')
    const { id: waiting } = await stack.ask({ clientId: 'away' })
    const watching = watch()
    await printed(watching, new RegExp(`^${waiting}\taway\tqueued\t-\t-\t`, 'm'))
    const { id } = await stack.ask({ clientId: 'shop_1', path: 'till.csv' })
    await printed(watching, new RegExp(`^${id}\tshop_1\tcompleted\t100 %\t293\\.0 KiB\t.*\ttill\\.csv$`, 'm'))
    const { id: missing } = await stack.ask({ clientId: 'shop_1', path: 'nothing' })
    await printed(watching, new RegExp(`^${missing}\tshop_1\tfailed \\(not-found\\)\t`, 'm'))
    await stack.post(`/jobs/${waiting}/fail`, { code: 'locked' })
    await printed(watching, new RegExp(`^${waiting}\taway\tfailed \\(locked\\)\t`, 'm'))
    expect(watching.output()).not.toContain(old['id'])
    expect(watching.output()).not.toContain('\u001b')
    await end(watching)
  })

  test('chooses by client and status; with --json, an object a line', async () => {
    const { id } = await stack.ask({ clientId: 'away', note: 'a note' })
    const watching = watch('--client', 'shop_1', 'away', '--status', 'queued', 'failed', '--json')
    expect(await watching.line((one) => one['id'] === id)).toMatchObject({ status: 'queued', note: 'a note' })
    const { id: other } = await stack.ask({ clientId: 'shop_1', path: 'till.csv' })
    await stack.reached(other, 'completed')
    await stack.post(`/jobs/${id}/fail`, { code: 'locked' })
    await watching.line((one) => one['id'] === id && one['status'] === 'failed' && one['reason'] === 'locked')
    for (const text of watching.output().trim().split('\n'))
      expect((JSON.parse(text) as Json)['status']).toMatch(/^(queued|failed)$/)
    await end(watching)
  })

  test('chooses by label', async () => {
    // What it does not do is under way.
    process.kill(agent.pid, 'SIGSTOP')
    const { id } = await stack.ask({ clientId: 'shop_1', path: 'till.csv' })
    const { id: elsewhere } = await stack.ask({ clientId: 'away' })
    const watching = watch('--label', 'region=west')
    await printed(watching, new RegExp(`^${id}\tshop_1\tqueued`, 'm'))
    process.kill(agent.pid, 'SIGCONT')
    await printed(watching, new RegExp(`^${id}\tshop_1\tcompleted`, 'm'))
    expect(watching.output()).not.toContain(elsewhere)
    await end(watching)
    await stack.post(`/jobs/${elsewhere}/fail`, { code: 'locked' })
  })

  test('a client that nobody knows ends it, and so do too many', async () => {
    const unknown = watch('--client', 'nobody')
    expect(await unknown.exited).toBe(3)
    expect(unknown.output()).toMatch(/\(client-unknown\)\n$/)
    const many = watch('--client', 'a', 'b', 'c', 'd', 'e', 'f')
    expect(await many.exited).toBe(2)
  })

  test('a server that is away is told once, and what happened meanwhile when it is back', async () => {
    const { id } = await stack.ask({ clientId: 'away' })
    const watching = watch()
    await printed(watching, new RegExp(`^${id}\taway\tqueued`, 'm'))
    await stack.server.kill('SIGKILL')
    await printed(watching, /does not answer: .* Trying again\.$/m)
    await stack.restart()
    await stack.post(`/jobs/${id}/fail`, { code: 'locked' })
    await printed(watching, new RegExp(`^${id}\taway\tfailed \\(locked\\)`, 'm'))
    expect(watching.output().match(/Trying again/g)).toHaveLength(1)
    await end(watching)
  })

  testWith(needsTerminal, 'a terminal shows a table that fits, and is given back as it was', async () => {
    const { id } = await stack.ask({ clientId: 'away', path: 'menu.txt' })
    const script = `trap : INT; echo before; "$0" "$1" watch; echo "code $?"; cat`
    const terminal = await openTerminal({
      command: ['sh', '-c', script, process.execPath, join(projectFolder, 'cli', 'backhaul.js')],
      env: { HOME: stack.folder, SERVER_URL: stack.url },
      columns: 100,
      rows: 20,
      cwd: stack.folder,
    })
    try {
      await terminal.shows(
        /^\d sites? online {3}1 queued {3}0 running {3}0 completed, 0 failed since \d\d:\d\d:\d\d\nSTATUS/,
      )
      await terminal.shows(/^queued +away +menu\.txt$/m)
      expect(await terminal.state()).toEqual({ cursor: false, alternate: true })

      await stack.ask({ clientId: 'shop_1', path: 'till.csv' })
      await terminal.shows(/1 completed[^]*^completed +shop_1 +till\.csv +293\.0 KiB, .* s \(.*\/s\)$/m)
      const others = await Promise.all(Array.from({ length: 12 }, () => stack.ask({ clientId: 'away', path: 'more' })))
      await terminal.shows(/13 queued/)
      await terminal.resize(60, 10)
      await terminal.shows(/^\d sites? online .*\nSTATUS(.*\n){8}7 more$/)
      const lines = await terminal.lines()
      expect(lines.filter((line) => line.startsWith('queued'))).toHaveLength(6)
      expect(lines.filter((line) => line.startsWith('completed'))).toHaveLength(1)
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(60)
      await terminal.resize(100, 20)
      await terminal.shows(/(^queued.*\n){13}^completed/m)

      await stack.server.kill('SIGKILL')
      await terminal.shows(/does not answer/)
      await stack.restart()
      for (const { id: one } of [{ id }, ...others]) await stack.post(`/jobs/${one}/fail`, { code: 'locked' })
      const after = await terminal.shows(/ 0 queued .* 13 failed since/)
      expect(after).not.toContain('does not answer')

      await terminal.press('C-c')
      expect(await terminal.shows(/code \d/)).toBe('before\ncode 130')
      expect(await terminal.state()).toEqual({ cursor: true, alternate: false })
    } finally {
      await terminal.close()
    }
  })
})
