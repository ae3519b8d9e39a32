import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe } from '@jest/globals'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { needsTerminal, openTerminal } from '../helpers/terminal.ts'

/** How each shell is started with nothing of its user's, guesses nothing by itself, and reads the script that completes. */
const shells = {
  bash: { args: ['--norc', '--noprofile'], read: 'source <(backhaul completion bash)' },
  zsh: { args: ['-f'], read: 'autoload -U compinit; compinit -D; source <(backhaul completion zsh)' },
  fish: {
    args: ['--no-config', '--private'],
    read: 'set -g fish_autosuggestion_enabled 0; backhaul completion fish | source',
  },
}

// Real shells in a real terminal: what somebody types, with Tab behind it, and what then stands there.
describe('completion', () => {
  let stack: Stack
  let bin: string
  let queued: string
  let failed: string

  beforeAll(async () => {
    stack = await startStack()
    bin = join(stack.folder, 'bin')
    await mkdir(bin)
    await symlink(join(projectFolder, 'cli', 'backhaul.js'), join(bin, 'backhaul'))
    await writeFile(join(stack.folder, 'menu of today.txt'), '')
    for (const id of ['till.shop_1', 'kiosk']) await fetch(`${stack.url}/jobs?client=${id}`)
    queued = String((await stack.ask({ clientId: 'kiosk' }))['id'])
    failed = String((await stack.ask({ clientId: 'kiosk' }))['id'])
    await stack.post(`/jobs/${failed}/fail`, { code: 'locked' })
  })
  afterAll(() => stack.stop())

  for (const [shell, { args, read }] of Object.entries(shells)) {
    testWith({ programs: [...(needsTerminal.programs ?? []), shell] }, `in ${shell}`, async () => {
      const terminal = await openTerminal({
        command: [shell, ...args],
        env: {
          PATH: [bin, dirname(process.execPath), process.env['PATH']].join(':'),
          HOME: stack.folder,
          SERVER_URL: stack.url,
          PS1: '$ ',
          TERM: 'screen',
        },
        columns: 120,
        rows: 20,
        cwd: stack.folder,
      })
      // No signal, which can be told before the keys that were pressed before it.
      const clear = (): Promise<void> => terminal.press('C-u', 'C-l')
      /** @param typed what stands before Tab @param completed what stands there then */
      const completes = async (typed: string, completed: string): Promise<void> => {
        await terminal.type(typed)
        await terminal.press('Tab')
        await terminal.shows(completed)
        await clear()
      }
      try {
        await terminal.type(`${read}; echo re''ady`)
        await terminal.press('Enter')
        await terminal.shows(/^ready/m)
        await completes('backhaul downl', 'backhaul download')
        await completes('backhaul enrolm', 'backhaul enrolments')
        await completes('backhaul tokens create x --ro', 'backhaul tokens create x --role')
        await completes('backhaul downloads --status ver', 'backhaul downloads --status verifying')
        await completes('backhaul downloads --status=ver', 'backhaul downloads --status=verifying')
        await completes('backhaul download till', 'backhaul download till.shop_1')
        await completes('backhaul watch --client till.shop_1 ki', 'backhaul watch --client till.shop_1 kiosk')
        await completes('backhaul retry ', `backhaul retry ${failed}`)
        await completes('backhaul cancel ', `backhaul cancel ${queued}`)
        await completes('backhaul download kiosk me', 'backhaul download kiosk menu\\ of\\ today.txt')
        await completes(`backhaul --server ${stack.url} cancel `, ` cancel ${queued}`)
        // Without the server nothing is offered, and no file in its place.
        await stack.server.kill('SIGKILL')
        await terminal.type('backhaul cancel me')
        await terminal.press('Tab')
        await terminal.type('X')
        await terminal.shows(/backhaul cancel meX$/m)
        await clear()
        await completes('backhaul comp', 'backhaul completion')
        await stack.restart()
      } finally {
        await terminal.close()
      }
    })
  }
})
