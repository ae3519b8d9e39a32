import { coalesce } from '../../shared/coalesce.ts'
import type { Chunk } from '../ports.ts'

/** Takes note of a chunk that is on its way. @throws what one before has failed with */
export type Add = (committed: Promise<Chunk>) => void

/**
 * Writes the rows of chunks as they land; those that wait go together.
 * @param work begins with chunks; when this returns, however, none is on its way any more
 * @throws the first failure
 */
export async function landing<T>(
  write: (chunks: readonly Chunk[]) => Promise<void>,
  work: (add: Add) => Promise<T>,
): Promise<T> {
  const underWay = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let landed: Chunk[] = []
  const writeLanded = coalesce(async () => {
    const some = landed
    landed = []
    if (some.length > 0) await write(some)
  })

  const note = async (committed: Promise<Chunk>): Promise<void> => {
    try {
      const chunk = await committed
      landed.push(chunk)
      await writeLanded()
    } catch (error) {
      failure ??= { error }
    }
  }

  const add: Add = (committed) => {
    const noted = note(committed).finally(() => underWay.delete(noted))
    underWay.add(noted)
    if (failure) throw failure.error
  }
  try {
    const result = await work(add)
    await Promise.all(underWay)
    if (!failure) return result
  } finally {
    await Promise.all(underWay)
  }
  throw failure.error
}
