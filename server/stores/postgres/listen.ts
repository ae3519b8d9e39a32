import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'

/** How long connecting and each statement may take before the connection is taken for dead, in ms. */
const PATIENCE = 3000
const TURN_EVERY = 1000
/** Between attempts to connect, in ms: doubled each time. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 2000

export interface ListenDeps {
  url: string
  channel: string
  hear(payload: string): void
  /** Asks something each second, which also finds a connection out over which nothing comes any more. */
  turn(client: Pick<Client, 'query'>): Promise<void>
  /** Told of a connection that broke, and of those after it that did not come about once. */
  broke(error: unknown): void
  signal: AbortSignal
}

/** Listens over a connection of its own, and over another when that breaks. Resolves after `signal`. */
export async function listen(deps: ListenDeps): Promise<void> {
  let pause = FIRST_PAUSE
  let isTold = false
  const works = (): void => {
    pause = FIRST_PAUSE
    isTold = false
  }
  while (!deps.signal.aborted) {
    try {
      await overOne(deps, works)
    } catch (error) {
      if (!isTold && !deps.signal.aborted) deps.broke(error)
      isTold = true
    }
    await idle(pause, deps.signal)
    pause = Math.min(2 * pause, LONGEST_PAUSE)
  }
}

/** Resolves after `signal`. @throws what broke the connection */
async function overOne({ url, channel, hear, turn, signal }: ListenDeps, works: () => void): Promise<void> {
  const socket = new Socket()
  const client = new Client({
    connectionString: url,
    stream: () => socket,
    application_name: 'backhaul wakes',
    keepAlive: true,
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
  })
  const lost = new AbortController()
  // Also after it was given up: an error that nobody hears would end the process.
  client.on('error', () => lost.abort()).on('end', () => lost.abort())
  client.on('notification', ({ payload }) => hear(payload ?? ''))
  const either = AbortSignal.any([signal, lost.signal])
  try {
    await client.connect()
    await client.query(`LISTEN ${channel}`)
    while (!either.aborted) {
      await turn(client)
      works()
      await idle(TURN_EVERY, either)
    }
  } finally {
    // A goodbye over a dead line is never answered.
    socket.destroy()
    await client.end()
  }
}

/** Resolves after `ms`, or with `signal`. */
async function idle(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined)
}
