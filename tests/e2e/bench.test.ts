import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { projectFolder } from '../helpers/process.ts'

const run = promisify(execFile)

test('the benchmark moves a file with fresh processes, reads what they used, and writes its page', async () => {
  const { folder, remove } = await temporaryFolder()
  try {
    const page = join(folder, 'PERFORMANCE.md')
    await writeFile(page, '# Performance\n\n<!-- loopback -->\n<!-- /loopback -->\n\nWhat it means.\n')
    const args = ['loopback', '--peers', 'backhaul', '--mib', '24', '--runs', '2', '--folder', folder, '--out', page]
    const { stdout } = await run(process.execPath, ['bench/main.ts', ...args, '--json'], { cwd: projectFolder })
    const [{ report, command }] = JSON.parse(stdout)

    expect(command).toBe('npm run bench -- loopback --mib 24 --runs 2 --peers backhaul')
    expect(report.runs.backhaul).toHaveLength(2)
    for (const { bytes, seconds, server, client } of report.runs.backhaul) {
      expect(bytes).toBe(24 * 2 ** 20)
      expect(seconds).toBeGreaterThan(0)
      for (const end of [server, client]) {
        expect(end.cpu).toBeGreaterThan(0)
        expect(end.peak).toBeGreaterThan(20 * 2 ** 20)
      }
    }
    const written = await readFile(page, 'utf8')
    expect(written).toMatch(
      /^# Performance\n\n<!-- loopback -->\n\n## Loopback\n[^]*\| \*\*Backhaul\*\*, verified \| \d/,
    )
    expect(written).toMatch(/<!-- \/loopback -->\n\nWhat it means\.\n$/)
  } finally {
    await remove()
  }
})
