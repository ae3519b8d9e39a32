/** Where the two ends of a transfer run. */
export interface Place {
  /** Commands that run a program at either end, as `ip netns exec NAME`; empty on this machine itself. */
  server: readonly string[]
  client: readonly string[]
  /** The server's address as it is reached from here, and from the client. */
  host: { here: string; client: string }
}

export const loopback: Place = { server: [], client: [], host: { here: '127.0.0.1', client: '127.0.0.1' } }

/** A server and a client that have started, with a file that is not sent yet. */
export interface Pair {
  server: number
  client: number
  /** Sends the file. @returns seconds from the request to the file that is stored */
  send(): Promise<number>
  stop(): Promise<void>
}

export interface PairOptions {
  place: Place
  /** The file that is sent. */
  source: string
  /** The server's own folder, empty. */
  folder: string
}

/** One way of moving a file. */
export interface Peer {
  name: PeerName
  /** What it is, for the table. */
  title: string
  /** Why it cannot run here, if so. */
  lacks(): string | undefined
  start(options: PairOptions): Promise<Pair>
}

/** Does what is left of a start. @throws what `work` throws, when everything is stopped that had begun */
export async function orStop<T>(begun: { stop(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await begun.stop()
    throw error
  }
}

export type PeerName = 'tus' | 'nginx' | 'ws' | 'backhaul'
