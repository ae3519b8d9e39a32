import type { Router } from '@koa/router'
import type { Context } from 'koa'
import { AppError, isAppError } from '../../shared/errors.ts'
import { mayClient, nameOf } from '../domain/access/principal.ts'
import type { DownloadRecord } from '../ports.ts'
import type { RouteDeps } from './agents.ts'
import { about } from './audit.ts'
import { describeExisting, sendContent } from './content.ts'
import { principalOf } from './gate.ts'
import { bodyOf, jsonBody } from './json.ts'
import { withoutLength } from './lengths.ts'
import { olderFileRequestSchema, olderRequestSchema } from './older-messages.ts'
import { checkPath } from './permitted.ts'
import { clientIdOf, downloadIdOf } from './request.ts'

/**
 * The paths of the five systems before this one, each with the answer that its users' scripts expect.
 * @param downloadTimeout how long GET /api/download/ID waits for a first byte, in ms
 */
export function aliasRoutes(
  router: Router,
  { domain, present, downloadTimeout }: RouteDeps & { downloadTimeout: number },
): void {
  const onlineIds = async (ctx: Context): Promise<string[]> =>
    (await domain.listClients({}))
      .filter(domain.presence.isOnline)
      .map((client) => client.id)
      .filter((id) => mayClient(principalOf(ctx), id))

  /** These systems knew no queue: a client that is away is refused, with the ids of those that are there. */
  const ask = async (
    ctx: Context,
    clientId: string,
    path: string | undefined,
    naming: DownloadRecord['naming'],
  ): Promise<DownloadRecord> => {
    about(ctx, { clientId, path: path ?? null })
    checkPath(principalOf(ctx), path ?? null)
    const availableClients = await onlineIds(ctx)
    if (!availableClients.includes(clientId)) {
      throw new AppError(
        'client-not-connected',
        `Client ${clientId} is not connected. POST /downloads queues for a known client that is away.`,
        { availableClients },
      )
    }
    const [created] = await domain.downloads.create({ clientId, path }, { naming, askedBy: nameOf(principalOf(ctx)) })
    return created!
  }

  const initiated = (ctx: Context, download: DownloadRecord): void => {
    const shown = present.download(download)
    about(ctx, { clientId: download.clientId, path: download.path, downloadId: download.id })
    ctx.status = 200
    ctx.set('Location', `/downloads/${download.id}`)
    ctx.body = { message: 'Download request initiated', ...shown, client_id: shown.clientId, file_name: shown.fileName }
  }

  const status = async (ctx: Context): Promise<void> => {
    const shown = present.download(await domain.downloads.find(downloadIdOf(ctx)))
    ctx.body = { ...shown, client_id: shown.clientId, file_name: shown.fileName, checksum: shown.sha256 }
  }

  router.post(['/download', '/api/download'], jsonBody, async (ctx) => {
    const body = bodyOf(ctx, olderRequestSchema)
    initiated(ctx, await ask(ctx, body.clientId ?? body.client_id ?? '', body.fileName ?? body.file_name, 'plain'))
  })

  router.post('/download/:id', jsonBody, async (ctx) => {
    const body = bodyOf(ctx, olderFileRequestSchema)
    initiated(ctx, await ask(ctx, clientIdOf(ctx), body.fileName ?? body.file_name, 'timestamped'))
  })

  router.get(['/download/:id', '/api/downloads/:id'], status)

  router.get('/api/clients', async (ctx) => {
    const clients = await onlineIds(ctx)
    ctx.body = { count: clients.length, clients }
  })

  router.get('/api/download/:id', async (ctx) => {
    const clientId = clientIdOf(ctx)
    checkPath(principalOf(ctx), null)
    if (ctx.method === 'HEAD') return describeExisting(ctx, domain, clientId, null)
    try {
      const download = await domain.contents.request(clientId, null, nameOf(principalOf(ctx)))
      about(ctx, { clientId, downloadId: download.id })
      await sendContent(ctx, domain, download.id, {
        beginMs: downloadTimeout,
        firstByteMs: downloadTimeout,
        onlineOnly: true,
      })
      // Its users' platform refuses answers of 32 MB that tell their length.
      withoutLength(ctx)
    } catch (error) {
      if (isAppError(error, 'begin-timeout'))
        throw new AppError('client-timeout', `Client ${clientId} did not answer in time.`)
      if (isAppError(error, 'client-offline')) throw new AppError('client-not-connected', error.message)
      throw error
    }
  })
}
