import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client } from '@aws-sdk/client-s3'
import type { S3Address } from '../open.ts'

/** A connection must stand within this time, in ms. */
const CONNECT = 5_000
/** Nothing passes for so long, in ms: the request has failed. */
const IDLE = 30_000
/** A copy that the store makes by itself may be silent for longer. */
const COPYING = 5 * 60_000
/** Connections at most. Whoever reads slowly keeps one, so there are many for those who read. */
const SOCKETS = { work: 256, reads: 2_048 }

/** What the SDK has to say it throws as well. */
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing }

// oxlint-disable-next-line no-empty-function
function nothing(): void {}

export interface Clients {
  /** Short requests, and chunks on their way to the store. */
  work: S3Client
  /** Copies within the store. */
  copies: S3Client
  /** What is read as somebody takes it. */
  reads: S3Client
  /** Signs URLs for callers, at the address by which they reach the store. */
  signer: S3Client
  close(): void
}

/** Clients of an object store. Keys, and the region unless a server of its own is named, are found by the SDK. */
export function createClients({ endpoint, publicEndpoint }: Pick<S3Address, 'endpoint' | 'publicEndpoint'>): Clients {
  const agents = (maxSockets: number) => ({
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets }),
    httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets }),
  })
  const working = agents(SOCKETS.work)
  const reading = agents(SOCKETS.reads)

  const client = (at: string | undefined, { idle, ...own }: ReturnType<typeof agents> & { idle: number }): S3Client =>
    new S3Client({
      ...(at === undefined ? {} : { endpoint: at, forcePathStyle: true }),
      // A server of one's own mostly has no regions, and takes any.
      ...(at !== undefined && process.env['AWS_REGION'] === undefined ? { region: 'us-east-1' } : {}),
      // What is put says its own MD5. The SDK's own checksums make it send in a form that not every store takes.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // It would cost a connection of its own for each.
      expectContinueHeader: false,
      maxAttempts: 4,
      logger: silent,
      requestHandler: { connectionTimeout: CONNECT, socketTimeout: idle, ...own },
    })

  const clients = {
    work: client(endpoint, { ...working, idle: IDLE }),
    copies: client(endpoint, { ...working, idle: COPYING }),
    reads: client(endpoint, { ...reading, idle: IDLE }),
    signer: client(publicEndpoint ?? endpoint, { ...working, idle: IDLE }),
  }
  return {
    ...clients,
    close() {
      for (const one of Object.values(clients)) one.destroy()
    },
  }
}
