import { readFile, watch } from 'node:fs/promises'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { dirname } from 'node:path'
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
      // Other files of the folder change, too.
      if (next.cert.equals(current.cert) && next.key.equals(current.key)) return
      server.setSecureContext(next)
      current = next
      log.info({ cert: tls.cert }, 'the certificate was read anew')
    } catch (error) {
      log.error({ err: error, cert: tls.cert }, 'the new certificate cannot be used; the one before stays')
    }
  }
  for (const folder of new Set([dirname(tls.cert), dirname(tls.key)])) void follow(folder, reload, { log, signal })
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

/** The folder, not the file: a certificate is renewed by putting another in its place, or by turning a link. */
async function follow(
  folder: string,
  changed: () => Promise<void>,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<void> {
  try {
    for await (const _ of watch(folder, { signal })) {
      await pause(SETTLE_MS, signal)
      await changed()
    }
  } catch (error) {
    if (!signal.aborted)
      log.error({ err: error, folder }, 'new certificates are not noticed any more; start again for one')
  }
}
