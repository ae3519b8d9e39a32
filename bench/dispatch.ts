import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask, finished, startBenchStack } from './stack.ts'

// From POST /downloads to the first byte of the agent's first chunk, seen by a proxy between the two.
// node bench/dispatch.ts [RUNS]
const runs = Number(process.argv[2] ?? 200)
const arrivals = new Map<string, number>()

const stack = await startBenchStack()
const target = new URL(stack.url)
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

try {
  const file = join(stack.folder, 'small.txt')
  await writeFile(file, 'a small file\n'.repeat(100))
  await stack.agent('site', ['--file', file], `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)
  const times: number[] = []
  for (let run = 0; run < runs; run += 1) {
    const askedAt = performance.now()
    const id = await ask(stack.url, 'site')
    await finished(stack.url, id)
    times.push((arrivals.get(id) ?? Number.NaN) - askedAt)
  }
  times.sort((a, b) => a - b)
  const at = (share: number): string =>
    (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN).toFixed(1)
  process.stdout.write(
    `${runs} downloads, POST /downloads → first chunk: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms\n`,
  )
} finally {
  await stack.stop()
  proxy.closeAllConnections()
  proxy.close()
}
