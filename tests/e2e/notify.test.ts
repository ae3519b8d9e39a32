import { join } from 'node:path'
import { afterAll, beforeAll, expect } from '@jest/globals'
import { testWith } from '../helpers/needs.ts'
import { startProgram, type Running } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.stop())

const needs = { programs: ['systemd-notify', 'perl'], long: true }
/** Prints every datagram. What comes with it is let go, as systemd does: systemd-notify waits for that. */
const receiver = `
use Socket;
socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, pack_sockaddr_un($ARGV[0])) || die "$!\\n";
while (defined recv(S, my $message, 65536, 0)) { syswrite(STDOUT, "$message\\n") }
`
const listen = (socket: string): Running => startProgram('perl', ['-e', receiver, socket])
const count = (running: Running, word: string): number => running.output().split(word).length - 1

testWith(
  needs,
  'systemd hears that the agent is ready, how it is, and that it gets on, with a line and without',
  async () => {
    const socket = join(stack.folder, 'notify')
    const systemd = listen(socket)
    const heard = (what: string | RegExp): Promise<unknown> =>
      until(`systemd to hear ${what}`, async () => systemd.output().match(what))
    try {
      const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '12000000' }
      const agent = stack.agent('site', ['--file', join(stack.folder, 'none')], env)
      await heard('READY=1')
      await heard(`STATUS=connected to ${stack.url}`)
      // A poll stays open for a third of the time at most, so this takes more than one.
      await until('the watchdog to be fed three times', async () => count(systemd, 'WATCHDOG=1') >= 3)
      await stack.server.kill('SIGKILL')
      await heard(`STATUS=no answer from ${stack.url}, trying again`)
      const fed = count(systemd, 'WATCHDOG=1')
      await until('the watchdog to be fed without a line', async () => count(systemd, 'WATCHDOG=1') >= fed + 2)
      expect(agent.output()).not.toContain('cannot tell systemd')
    } finally {
      await systemd.kill('SIGKILL')
    }
  },
)

testWith(
  needs,
  'a site without a line has started, too',
  async () => {
    const socket = join(stack.folder, 'notify-dead')
    const systemd = listen(socket)
    try {
      stack.agent('dead', ['--server', 'http://127.0.0.1:1'], { NOTIFY_SOCKET: socket })
      await until('systemd to hear of it', async () => systemd.output().includes('READY=1'))
      expect(systemd.output()).toContain('STATUS=trying to reach http://127.0.0.1:1')
    } finally {
      await systemd.kill('SIGKILL')
    }
  },
  40_000,
)
