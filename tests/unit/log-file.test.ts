import { spawnSync } from 'node:child_process'
import { readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { openLogFile } from '../../shared/log-file.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'

const { NODE_OPTIONS: _options, ...env } = process.env

test('a log in a file turns over, and loses no line in that', async () => {
  const { folder, remove } = await temporaryFolder()
  try {
    const path = join(folder, 'logs', 'agent.log')
    const { write } = openLogFile(path, 100)
    for (let line = 0; line < 30; line += 1) write(`line ${line}\n`)
    const [before, now] = [await readFile(`${path}.1`, 'utf8'), await readFile(path, 'utf8')]
    expect(before.length).toBeLessThan(120)
    const lines = (before + now).trim().split('\n')
    expect(lines.at(-1)).toBe('line 29')
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, index) => `line ${30 - lines.length + index}`))
  } finally {
    await remove()
  }
})

test('a log that is no file of its own is left where it is', async () => {
  const { folder, remove } = await temporaryFolder()
  try {
    const device = join(folder, 'null')
    await symlink('/dev/null', device)
    const path = join(folder, 'agent.log')
    await writeFile(join(folder, 'elsewhere'), '')
    await symlink('elsewhere', path)
    for (const link of [device, path]) {
      const { write } = openLogFile(link, 10)
      for (let line = 0; line < 3; line += 1) write(`a long line ${line}\n`)
    }
    expect((await readdir(folder)).toSorted()).toEqual(['agent.log', 'elsewhere', 'elsewhere.1', 'null'])
    expect([await readlink(device), await readlink(path)]).toEqual(['/dev/null', 'elsewhere'])
  } finally {
    await remove()
  }
})

testWith(
  { programs: ['prlimit'] },
  'half a line, for which there was no room, spoils no other',
  async () => {
    const { folder, remove } = await temporaryFolder()
    try {
      const path = join(folder, 'agent.log')
      const module = new URL('../../shared/log-file.ts', import.meta.url).href
      const script = `
      import { execFileSync } from 'node:child_process'
      const { openLogFile } = await import(${JSON.stringify(module)})
      process.on('SIGXFSZ', () => undefined)
      const { write } = openLogFile(${JSON.stringify(path)})
      for (const line of ['first', 'second', 'third']) write(line + '\\n')
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
      write('fourth\\n')`
      const args = ['--fsize=10:unlimited', process.execPath, '--input-type=module', '--eval', script]
      const { status, stderr } = spawnSync('prlimit', args, { encoding: 'utf8', env, timeout: 30_000 })
      expect([status, stderr]).toEqual([0, ''])
      expect(await readFile(path, 'utf8')).toBe('first\nseco\nfourth\n')
    } finally {
      await remove()
    }
  },
  60_000,
)

test('an agent that cannot write its log says so in a line', async () => {
  const { folder, remove } = await temporaryFolder()
  try {
    const args = ['agent/main.ts', '--id', 'a', '--port', 'off', '--state-dir', join(folder, 's'), '--log-file', folder]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env, timeout: 30_000 })
    expect(status).toBe(2)
    expect(stderr).toMatch(/^--log-file \(LOG_FILE\) cannot be written: EISDIR[^\n]*\n$/)
  } finally {
    await remove()
  }
}, 60_000)
