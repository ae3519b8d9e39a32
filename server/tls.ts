import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createSecureContext } from 'node:tls'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { pause } from '../shared/wait.ts'

/** Files of PEM. */
export interface TlsFiles {
  cert: string
  key: string
}

interface Pair {
  cert: Buffer
  key: Buffer
}

/**
 * How often the files are looked at, in ms. Nobody is told when a folder above them is another by a link, or when they lie
 * on another machine.
 */
const LOOK_EVERY_MS = 1_000
/** Both files are written one after the other: how long one waits for the second, in ms. */
const SETTLE_MS = 500

/**
 * A server of HTTPS where files are given, else of HTTP. New files are taken without a restart; what does not fit is
 * reported, and the old ones stay.
 * @throws Error that names the files, when they cannot be used at the start
 */
export async function createServer(
  { tls, log, signal }: { tls: TlsFiles | undefined; log: Log; signal: AbortSignal },
  listener: RequestListener,
): Promise<Server> {
  if (!tls) return createHttpServer(listener)
  let current = await read(tls)
  const server = createHttpsServer(current, listener)
  const reload = async (): Promise<void> => {
    try {
      const next = await read(tls)
      // With two files that changed, it is called twice.
      if (next.cert.equals(current.cert) && next.key.equals(current.key)) return
      server.setSecureContext(next)
      current = next
      log.info({ cert: tls.cert }, 'the certificate was read anew')
    } catch (error) {
      log.error({ err: error, cert: tls.cert }, 'the new certificate cannot be used; the one before stays')
    }
  }
  let reloaded = Promise.resolve()
  const changed = (): void => {
    reloaded = reloaded.then(() => pause(SETTLE_MS, signal)).then(reload)
  }
  for (const path of new Set([tls.cert, tls.key])) follow(path, changed, signal)
  return server
}

async function read({ cert, key }: TlsFiles): Promise<Pair> {
  try {
    const pair = { cert: await readFile(cert), key: await readFile(key) }
    createSecureContext(pair)
    return pair
  } catch (error) {
    throw new Error(`TLS_CERT (${cert}) and TLS_KEY (${key}) cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

function follow(path: string, changed: () => void, signal: AbortSignal): void {
  watchFile(path, { interval: LOOK_EVERY_MS, persistent: false }, changed)
  signal.addEventListener('abort', () => unwatchFile(path, changed), { once: true })
}
