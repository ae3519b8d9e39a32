import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { postgresLacking } from '../helpers/postgres-server.ts'
import { projectFolder } from '../helpers/process.ts'
import { testWith } from '../helpers/needs.ts'
import { s3Lacking } from '../helpers/s3.ts'

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

testWith(
  { otherwise: postgresLacking() ?? s3Lacking() },
  'a server on PostgreSQL and S3 is measured against the bare SDK',
  async () => {
    const sizes = ['--mib', '16', '--chunk-mib', '1', '--files', '2', '--connections', '4']
    const args = ['bench/main.ts', '--json', 'shared', '--only', 'sdk', '--runs', '1', ...sizes]
    const { stdout } = await run(process.execPath, args, { cwd: projectFolder })
    const [{ report }] = JSON.parse(stdout)
    const [{ sdk, backhaul }] = report.runs.sdk
    expect(sdk).toHaveLength(2)
    for (const { seconds, cpu } of [...sdk, backhaul.durable, backhaul.completed]) {
      expect(seconds).toBeGreaterThan(0)
      expect(cpu).toBeGreaterThan(0)
    }
    expect(backhaul.durable.server).toBeGreaterThan(0)
    expect(report.verdicts).toHaveLength(1)
  },
)
