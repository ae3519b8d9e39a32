import { randomBytes } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { startClusterContainers, type ClusterContainers } from '../helpers/cluster-containers.ts'
import { needsOfContainers } from '../helpers/containers.ts'
import { temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { lacking, type Needs } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { s3Lacking } from '../helpers/s3.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MINUTES = 60_000
const MiB = 1024 * 1024
const common = needsOfContainers()
/** Then the means to have podman are needed. */
const docker = common.path === undefined
const needs: Needs = {
  ...common,
  programs: [...(common.programs ?? []), 'openssl', 'sha256sum'],
  otherwise:
    s3Lacking() ?? (docker ? 'needs podman, and not Docker, whose containers do not reach the store' : undefined),
}

// deploy/cluster as it stands, but for the images of others, which are made of Debian's packages.
describe('deploy/cluster/compose.yml', () => {
  let cluster: ClusterContainers
  let place: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    if (lacking(needs).length > 0) return
    place = await temporaryFolder()
    cluster = await startClusterContainers(
      randomBytes(32).toString('hex'),
      `bhe_${randomBytes(32).toString('base64url')}`,
    )
  }, 15 * MINUTES)
  afterAll(async () => {
    await cluster?.stop()
    await place?.remove()
  }, 2 * MINUTES)

  testWith(
    needs,
    'a file comes over while one server after the other is killed',
    async () => {
      await until('a server to be ready', async () => (await cluster.call('/ready'))['status'] === 'ready', 2 * MINUTES)
      const files = join(place.folder, 'files')
      await mkdir(files)
      const sha256 = await writeRandom(join(files, 'file_to_download.txt'), 64 * MiB)
      await chmod(place.folder, 0o755)
      await cluster.agent('site', files, 'LIMIT=80mbit')
      await until(
        'the site',
        async () => (await cluster.call('/clients/site').catch((): Json => ({})))['status'] === 'online',
        MINUTES,
      )
      const { id } = await cluster.call('/downloads', { clientId: 'site' })
      const received = async (): Promise<number> => (await cluster.call(`/downloads/${id}`))['bytesReceived'] ?? 0
      for (const [index, service] of ['server-1', 'server-2'].entries()) {
        await until('some of it', async () => (await received()) > (index * 20 + 8) * MiB, 2 * MINUTES)
        await cluster.engine('kill', '--signal', 'KILL', cluster.container(service))
        await cluster.engine('start', cluster.container(service))
      }
      const done = await until(
        'all of it',
        async () => {
          const download = await cluster.call(`/downloads/${id}`)
          return download['status'] === 'completed' && download
        },
        3 * MINUTES,
      )
      expect(done).toMatchObject({ sha256, verified: true, attempt: 1 })
      expect(await cluster.sha256(`/downloads/${id}/content`)).toBe(sha256)
    },
    8 * MINUTES,
  )

  testWith(needs, 'nobody is root, what is read-only is, and the database has no secret of others', async () => {
    const inside = (service: string, ...command: string[]): Promise<string> =>
      cluster.engine('exec', cluster.container(service), ...command)
    expect(await inside('server-3', 'id', '-u')).toBe('1000')
    await expect(inside('server-3', 'sh', '-c', 'echo > /app/x')).rejects.toThrow(/[Rr]ead-only|denied/)
    // Long chunks wait there.
    await inside('server-3', 'sh', '-c', 'echo > /tmp/x && rm /tmp/x')
    expect(await inside('database', 'sh', '-c', 'echo "[$ADMIN_TOKEN$AWS_SECRET_ACCESS_KEY$DATABASE_URL]"')).toBe('[]')
    expect(await inside('proxy', 'id', '-u')).toBe('99')
  })
})
