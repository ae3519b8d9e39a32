import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { envOf, placeIn } from '../helpers/backups.ts'
import { readDashboard } from '../helpers/dashboard-modules.ts'
import { sha256OfFile, temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder, start, startProgram, type Running } from '../helpers/process.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)
const MiB = 1024 * 1024

describe('the server as one executable', () => {
  let folder: string
  let remove: () => Promise<void>

  beforeAll(async () => {
    ;({ folder, remove } = await temporaryFolder())
  })
  afterAll(() => remove())

  testWith(
    { long: true, programs: ['dpkg-deb'] },
    'is packaged, serves, is backed up and restored, without Node and without a file of the project',
    async () => {
      const platform = `${process.platform}-${process.arch}`
      const options = ['--platform', platform, '--to', folder, '--key', join(folder, 'release.key')]
      await run(process.execPath, ['packaging/build-server.ts', ...options], { cwd: projectFolder })
      const { version } = JSON.parse(await readFile(join(projectFolder, 'package.json'), 'utf8')) as { version: string }
      const executable = join(folder, 'backhaul-server')
      expect((await run(executable, ['--version'])).stdout).toBe(`${version}\n`)
      expect((await run(executable, ['--help'])).stdout).toContain('backup [options] <folder>')
      await expect(run(executable, ['backup'])).rejects.toMatchObject({ code: 2 })

      const [deb = ''] = (await readdir(folder)).filter((name) => name.endsWith('.deb'))
      const { stdout: packaged } = await run('dpkg-deb', ['--contents', join(folder, deb)])
      const files = [
        'usr/bin/backhaul-server',
        'etc/backhaul/server.env',
        'usr/lib/sysusers.d/backhaul-server.conf',
        ...['.service', '-backup.service', '-backup.timer'].map(
          (unit) => `usr/lib/systemd/system/backhaul-server${unit}`,
        ),
      ]
      for (const path of files) expect(packaged).toContain(` ./${path}\n`)
      await run('dpkg-deb', ['--extract', join(folder, deb), join(folder, 'installed')])
      const terms = await readFile(join(folder, 'installed/usr/share/doc/backhaul-server/copyright'), 'utf8')
      // Of what browsers run, and of what is loaded for webhooks alone, too.
      for (const name of ['koa', 'lit-html', 'got']) expect(terms).toMatch(new RegExp(`^${name} \\d`, 'm'))

      const place = placeIn(join(folder, 'first'))
      const told = await startReceiver()
      const served = async (within: typeof place, port: number): Promise<{ running: Running; url: string }> => {
        const file = join(folder, 'server.env')
        const webhooks = { WEBHOOK_URL: told.url, WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}` }
        const variables = { ...envOf(within), PORT: String(port), ...webhooks }
        await writeFile(
          file,
          Object.entries(variables)
            .map(([name, value]) => `${name}=${value}\n`)
            .join(''),
        )
        const running = startProgram(executable, ['--config', file])
        const { port: bound } = await running.line(({ msg }) => msg === 'listening')
        return { running, url: `http://127.0.0.1:${String(bound)}` }
      }

      const first = await served(place, 0)
      await first.running.line(({ msg }) => msg === 'webhooks tell what happens from now on')
      // It carries what pages are made with.
      for (const [path, type] of [
        ['/', 'text/html'],
        ['/docs', 'text/html'],
        ['/assets/app/main.ts', 'text/javascript'],
        ['/assets/app.css', 'text/css'],
        ['/assets/tables.css', 'text/css'],
        ['/assets/backhaul.css', 'text/css'],
        ['/assets/backhaul.svg', 'image/svg+xml'],
      ]) {
        const answer = await fetch(first.url + path)
        expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining(type!)])
        expect((await answer.text()).length).toBeGreaterThan(100)
      }
      const dashboard = await readDashboard(async (path) => {
        const answer = await fetch(first.url + path, { headers: { accept: 'text/html' } })
        expect([path, answer.status]).toEqual([path, 200])
        return answer.text()
      })
      // What it needs of others is in its one module.
      expect([...dashboard.keys()].filter((path) => path.endsWith('.ts'))).toEqual(['/assets/app/main.ts'])
      expect(dashboard.get('/assets/app/main.ts')).toContain('litHtmlVersions')
      const file = join(folder, 'video')
      const sha256 = await writeRandom(file, 8 * MiB)
      const args = [
        '--id',
        'site',
        '--server',
        first.url,
        '--file',
        file,
        '--state-dir',
        join(folder, 'state'),
        '--port',
        'off',
      ]
      const agent = start('agent/main.ts', args, {})
      let second: Running | undefined
      try {
        const client = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"clientId":"site"}' }
        const asked = await until('the agent', async () => {
          const answer = await fetch(`${first.url}/downloads`, client)
          return answer.status === 202 && ((await answer.json()) as { id: string })
        })
        const reached = async (status: string): Promise<Record<string, unknown>> =>
          until(status, async () => {
            const answer = await fetch(`${first.url}/downloads/${asked.id}`)
            const download = (await answer.json()) as Record<string, unknown>
            return download['status'] === status && download
          })
        // Verified by the thread that the executable carries.
        expect(await reached('completed')).toMatchObject({ verified: true, sha256 })
        const [heard] = await told.has(1)
        expect(heard!.json).toMatchObject({ type: 'download.completed', data: { downloadId: asked.id, sha256 } })
        const backup = join(folder, 'backup')
        await run(executable, ['backup', backup], { env: envOf(place) })
        await first.running.kill('SIGTERM')
        const elsewhere = placeIn(join(folder, 'second'))
        await run(executable, ['restore', backup], { env: envOf(elsewhere) })
        const again = await served(elsewhere, Number(new URL(first.url).port))
        second = again.running
        const restored = await reached('completed')
        expect(await sha256OfFile(String(restored['filePath']))).toBe(sha256)
      } finally {
        await Promise.all([agent, first.running, ...(second ? [second] : [])].map((each) => each.kill('SIGKILL')))
        await told.close()
      }
    },
    180_000,
  )
})
