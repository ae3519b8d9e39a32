import type { EventRecord, Position } from '../event-ports.ts'

/** The newest events, without a gap between them. */
export interface RecentEvents {
  /** The position after the last of them. */
  newest(): Position
  /** @returns at most `limit` events after a position; undefined for a position that is none of these events' */
  after(position: Position, limit: number): EventRecord[] | undefined
  /** Those that follow the newest. */
  add(events: readonly EventRecord[]): void
}

/** @param from where they begin @param most how many are kept */
export function createRecentEvents(from: Position, most: number): RecentEvents {
  let kept: EventRecord[] = []
  /** How many were kept once, and are not any more. */
  let dropped = 0
  /** The position before the first that is kept. */
  let edge = from
  /** Of each position, how many were ever kept before it. */
  const places = new Map<Position, number>([[from, 0]])

  const drop = (count: number): void => {
    for (const event of kept.slice(0, count)) {
      places.delete(edge)
      edge = event.position
    }
    kept = kept.slice(count)
    dropped += count
  }

  return {
    newest: () => kept.at(-1)?.position ?? edge,
    after(position, limit) {
      const place = places.get(position)
      return place === undefined ? undefined : kept.slice(place - dropped, place - dropped + limit)
    },
    add(events) {
      for (const event of events) {
        kept.push(event)
        places.set(event.position, dropped + kept.length)
      }
      if (kept.length > most) drop(kept.length - most)
    },
  }
}
