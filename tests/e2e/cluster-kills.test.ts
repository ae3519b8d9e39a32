import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect } from '@jest/globals'
import { pause } from '../../shared/wait.ts'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startClusterProxy } from '../helpers/cluster-proxy.ts'
import { startCluster } from '../helpers/cluster.ts'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { callsOverTls } from '../helpers/over-tls.ts'
import { certificateOf } from '../helpers/reverse-proxies.ts'
import { until } from '../helpers/until.ts'

const KiB = 1024
const MiB = 1024 * KiB
const AGENTS = 20
/** What each agent has, in bytes. */
const SIZES = [20 * MiB, 0, 9 * MiB, 1, 64 * KiB, 4 * MiB + 1, 300_000, MiB, 1000, 2_500_000]
const FILES = AGENTS * SIZES.length
/** When so many are complete, the next server is killed: each of three twice. */
const KILLS = [5, 35, 65, 95, 125, 155]
const LIMIT = 30 * 60_000

const ends: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

testWith(
  { programs: ['haproxy', 'openssl'], long: true },
  'three servers behind haproxy, each killed twice: every file arrives, and nothing is left over',
  async () => {
    const cluster = await startCluster({ env: { TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN } })
    ends.push(cluster.stop)
    const { servers, stores } = cluster
    const [first, ...others] = servers
    const proxy = await startClusterProxy(servers.map(({ url }) => url))
    ends.push(proxy.stop)
    const ca = certificateOf(proxy)
    const calls = callsOverTls(proxy.url, await readFile(ca))

    const digests = new Map<string, string>()
    const startSite = async (id: string): Promise<void> => {
      const root = join(first.folder, id)
      await mkdir(root)
      for (const [index, size] of SIZES.entries())
        digests.set(`${id}/${index}`, await writeRandom(join(root, `${index}`), size))
      await first.online(id, ['--server', proxy.url, '--ca', ca, '--root', root])
    }
    const ids = Array.from({ length: AGENTS }, (_, number) => `site_${number}`)
    for (const id of ids) await startSite(id)

    const wanted = new Map<string, string>()
    for (const clientId of ids) {
      for (const index of SIZES.keys()) {
        const { id } = await first.ask({ clientId, path: `${index}` })
        wanted.set(id, digests.get(`${clientId}/${index}`) ?? '')
      }
    }

    const count = async (condition: string): Promise<number> =>
      Number((await stores.query(`SELECT count(*) AS n FROM downloads WHERE ${condition}`))[0]?.['n'])
    const completed = async (least: number): Promise<boolean> => {
      await pause(100)
      return (await count("status = 'completed'")) >= least
    }
    for (const [turn, least] of KILLS.entries()) {
      await until(`${least} to be complete`, () => completed(least), LIMIT)
      await servers[turn % servers.length]?.restart('SIGKILL')
    }
    await until('all to have ended', async () => (await pause(100), (await count('completed_at IS NULL')) === 0), LIMIT)

    // Each as it is handed out, by way of the proxy.
    let right = 0
    for (const [id, sha256] of wanted) {
      const answer = await calls.answerOf(
        calls.begin({ path: `/downloads/${id}/content`, headers: bearer(ADMIN) }).end(),
      )
      const hash = createHash('sha256')
      for await (const piece of answer) hash.update(piece as Buffer)
      if (answer.statusCode === 200 && hash.digest('hex') === sha256) right += 1
    }
    process.stdout.write(`${right} of ${wanted.size}\n`)
    expect(right).toBe(FILES)
    expect(await count("status = 'completed' AND verified AND attempt = 1")).toBeGreaterThan(0.9 * FILES)

    // What a kill left is swept by whoever starts: the others have given back what one at a time does.
    await Promise.all(others.map(({ server }) => server.kill('SIGTERM')))
    await first.restart('SIGTERM')
    await until('nothing to be left of attempts', async () => (await first.parts()).length === 0, 120_000)
    expect(await first.files()).toHaveLength(FILES)
  },
  LIMIT,
)
