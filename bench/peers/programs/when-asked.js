import { once } from 'node:events'

/**
 * Says that the program is ready, does `work` when a line comes in, and prints how many seconds it took. The process
 * lives on until its input ends, so that its counters can be read.
 */
export async function whenAsked(work) {
  process.stdout.write('{"ready":true}\n')
  await once(process.stdin, 'data')
  const begun = performance.now()
  await work()
  process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - begun) / 1000 })}\n`)
  process.stdin.on('end', () => process.exit(0)).resume()
}
