import type { Position } from './event-ports.ts'

/** What is to be sent to an endpoint. */
export interface NewDelivery {
  /** The event's position, which names it. */
  event: Position
  /** When it happened, epoch ms. */
  at: number
  /** As it is sent, the same at every attempt. */
  body: string
}

export interface Delivery extends NewDelivery {
  /** How often it was sent, and was not taken. */
  attempts: number
  /** The HTTP status of the last attempt; null for none. */
  lastStatus: number | null
}

/**
 * How far each endpoint has been told of what happens, and what waits for it. An endpoint is named by a hash of its URL:
 * nothing here says where it is. Times are epoch ms.
 */
export interface WebhookStore {
  /** Where an endpoint stands; undefined for one that is new. */
  position(endpoint: string): Promise<Position | undefined>
  /** A new endpoint stands there; one that is known stays where it is. */
  begin(endpoint: string, position: Position): Promise<void>
  /**
   * An endpoint that stands at `from` stands at `to`, and has this to be sent: both, or neither. What it has already stays as it is.
   * @returns whether it stood there
   */
  move(endpoint: string, step: { from: Position; to: Position; deliveries: readonly NewDelivery[] }): Promise<boolean>
  /** At most `limit` of what is to be sent by `now`: what is new, in its order, and then what has been due for longest. */
  due(endpoint: string, now: number, limit: number): Promise<Delivery[]>
  /** It was not taken, and is to be sent again. */
  postpone(
    endpoint: string,
    delivery: Pick<Delivery, 'event' | 'attempts' | 'lastStatus'> & { nextAt: number },
  ): Promise<void>
  /** It was taken, or is given up. */
  remove(endpoint: string, event: Position): Promise<void>
  /** Removes all but the newest `most`. @returns how many */
  dropOldest(endpoint: string, most: number): Promise<number>
  /** Removes all that is not of these endpoints. */
  keepOnly(endpoints: readonly string[]): Promise<void>
  /** How much waits, for all endpoints. */
  count(): Promise<number>
}
