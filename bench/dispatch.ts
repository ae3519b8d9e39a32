import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Part } from './bench.ts'
import { count } from './options.ts'
import { table } from './report.ts'
import { ask, finished, startBenchStack } from './stack.ts'
import { quantile } from './statistics.ts'

interface Options {
  runs: number
}

export const dispatch: Part<Options> = {
  name: 'dispatch',
  description: 'how soon an agent answers: from the request to the first byte of its first chunk',

  declare: (command) => command.option('--runs <N>', 'downloads, one after the other', count, 200),

  room: () => 0,

  async run({ folder, signal, say }, { runs }) {
    const stack = await startBenchStack({ folder: join(folder, 'server') })
    const proxy = await startWatch(stack.url)
    try {
      const file = join(folder, 'small.txt')
      await writeFile(file, 'a small file\n'.repeat(100))
      await stack.agent('site', ['--file', file], proxy.url)
      say(`dispatch: ${runs} downloads`)
      const times: number[] = []
      for (let run = 0; run < runs; run += 1) {
        signal.throwIfAborted()
        const askedAt = performance.now()
        const id = await ask(stack, 'site')
        await finished(stack, id)
        times.push(proxy.arrivedAt(id) - askedAt)
      }
      const at = (share: number): string => `${quantile(times, share).toFixed(1)} ms`
      return {
        name: 'dispatch',
        title: 'From the request to the first byte',
        about:
          `${runs} small files, one after the other: from \`POST /downloads\` to the first byte of the agent's first chunk, as a proxy between the two sees it. ` +
          'It is a wake and two syncs; there is no interval of polling in it.',
        tables: [table(['', 'p50', 'p99', 'longest'], [['request → first byte', at(0.5), at(0.99), at(1)]])],
        verdicts: [],
        leftOut: [],
        panels: [],
        runs: times,
      }
    } finally {
      await stack.stop()
      proxy.stop()
    }
  },
}

/** A proxy that remembers when the first byte of each file came. */
async function startWatch(server: string): Promise<{ url: string; arrivedAt(id: string): number; stop(): void }> {
  const target = new URL(server)
  const arrivals = new Map<string, number>()
  const proxy = createServer((req, res) => {
    const id = /^\/jobs\/([^/]+)\/file$/.exec(req.url ?? '')?.[1]
    if (id !== undefined && req.method === 'PUT' && !arrivals.has(id)) arrivals.set(id, performance.now())
    const onward = request(
      { host: target.hostname, port: target.port, method: req.method, path: req.url, headers: req.headers },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(res)
      },
    )
    onward.on('error', () => res.destroy())
    res.on('close', () => onward.destroy())
    req.pipe(onward)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    arrivedAt: (id) => arrivals.get(id) ?? Number.NaN,
    stop() {
      proxy.closeAllConnections()
      proxy.close()
    },
  }
}
