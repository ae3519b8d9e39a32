import type { Range } from '../../../shared/ranges.ts'

/**
 * Knows how far the durable bytes of a part reach from 0 on without a hole.
 * @param load what was durable before the first range that is told
 * @returns takes a range that is durable now, and says how far they reach
 */
export function createContiguous(load: () => Promise<readonly Range[]>): (range: Range) => Promise<number> {
  /** Ends of the durable ranges behind what is contiguous, by their starts. */
  const ahead = new Map<number, number>()
  let at = 0
  let loaded: Promise<void> | undefined

  const note = ({ start, end }: Range): void => void ahead.set(start, Math.max(end, ahead.get(start) ?? 0))

  const loadAll = async (): Promise<void> => (await load()).forEach(note)

  return async (range) => {
    note(range)
    try {
      await (loaded ??= loadAll())
    } catch (error) {
      loaded = undefined
      throw error
    }
    for (let end = ahead.get(at); end !== undefined; end = ahead.get(at)) {
      ahead.delete(at)
      at = end
    }
    return at
  }
}
