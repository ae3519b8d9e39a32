import { pause } from '../shared/wait.ts'

/** ms between two looks at whoever is waited for. */
const usualEvery = 15_000

/**
 * Waits for `work` and looks again and again whether there is still hope; `check` throws when there is none. The work itself is not
 * ended by that: its outcome is then nobody's.
 */
export async function attended<T>(work: Promise<T>, check: () => Promise<void>, every = usualEvery): Promise<T> {
  const done = new AbortController()
  const settled = work.then(
    () => true,
    () => true,
  )
  try {
    while (!(await Promise.race([settled, pause(every, done.signal).then(() => false)]))) await check()
    return await work
  } finally {
    done.abort()
  }
}

/** The same for every chunk of a stream. */
export async function* attendedChunks(
  chunks: AsyncIterable<Buffer>,
  check: () => Promise<void>,
  every = usualEvery,
): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]()
  for (;;) {
    const next = await attended(iterator.next(), check, every)
    if (next.done) return
    yield next.value
  }
}
