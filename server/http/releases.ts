import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { formatDigest } from '../../shared/digest.ts'
import { AppError } from '../../shared/errors.ts'
import { headers } from '../../shared/protocol.ts'
import type { ReleaseFile, ReleaseStore } from '../update-ports.ts'
import { parameter } from './request.ts'
import { closeWith, sendStored } from './stored.ts'

export interface ReleaseDeps {
  releases: ReleaseStore
  /** By which agents may call this server; the first is the one that the script is told. */
  origins: readonly string[]
}

/** What sites install, and the script that does it: for everybody, as what is in it is no secret, and signed. */
export function releaseRoutes(router: Router, { releases, origins }: ReleaseDeps): void {
  const find = async (name: string): Promise<ReleaseFile> => {
    const file = await releases.open(name)
    if (file) return file
    throw new AppError(
      'release-unknown',
      `There is no ${name.slice(0, 100)} here. SHA256SUMS lists what there is; npm run build:agent makes a release, and RELEASES names its folder.`,
    )
  }

  router.get('/install.sh', async (ctx) => {
    const file = await find('install.sh')
    const script = await textOf(file)
    ctx.set('Cache-Control', 'no-cache')
    ctx.vary('Host')
    ctx.type = 'text/plain; charset=utf-8'
    ctx.body = script.replace('@SERVER@', addressFor(ctx, origins))
  })

  router.get('/agents/:name', async (ctx) => {
    const file = await find(parameter(ctx, 'name'))
    closeWith(ctx, file)
    ctx.set('Cache-Control', 'no-cache, no-transform')
    ctx.set(headers.reprDigest, formatDigest(file.sha256))
    ctx.type = 'application/octet-stream'
    if (ctx.method !== 'HEAD') return sendStored(ctx, { ...file, etag: `"${file.sha256}"`, constant: true })
    ctx.set('Accept-Ranges', 'bytes')
    ctx.set('ETag', `"${file.sha256}"`)
    ctx.status = 200
    ctx.length = file.size
  })
}

/** It becomes text of a shell script: nothing but an address may be in it. */
const plainAddress = /^https?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * Where the caller, and whoever runs the script, reaches this server.
 * @throws AppError `invalid` when it is called by something that is no address
 */
function addressFor(ctx: Context, [origin]: readonly string[]): string {
  const address = origin ?? `${ctx.protocol}://${ctx.host}`
  if (plainAddress.test(address) && URL.canParse(address)) return address
  throw new AppError('invalid', 'The name that this server was called by is no plain address; set ORIGINS.', {
    field: 'Host',
  })
}

/** All of it, and closes it. */
async function textOf(file: ReleaseFile): Promise<string> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of file.read({ start: 0, end: file.size })) pieces.push(piece)
  } finally {
    await file.close()
  }
  return Buffer.concat(pieces).toString()
}
