import type { Router } from '@koa/router'
import {
  credentialRequestSchema,
  enrolmentRequestSchema,
  tokenRequestSchema,
  type Credential,
  type Enrolment,
  type Token,
} from '../../shared/access.ts'
import { AppError } from '../../shared/errors.ts'
import type { CredentialRecord, EnrolmentRecord, TokenRecord } from '../access-ports.ts'
import type { Access } from '../domain/access/index.ts'
import { about } from './audit.ts'
import { principalOf } from './gate.ts'
import { bodyOf, jsonBody, valid } from './json.ts'
import { queries } from './parameters.ts'
import { parameter, query } from './request.ts'

/** Tokens, enrolments and credentials: made, listed, revoked. A secret is told once, when it is made. */
export function accessRoutes(router: Router, { access }: { access: Access }): void {
  const { tokens, enrolments, credentials } = access

  router.post('/tokens', jsonBody, async (ctx) => {
    const { token, secret } = await tokens.create(bodyOf(ctx, tokenRequestSchema))
    about(ctx, { path: `${token.id} ${token.role} ${token.name}` })
    ctx.set('Cache-Control', 'no-store')
    ctx.status = 201
    ctx.body = { ...presentToken(token), secret }
  })

  router.get('/tokens', async (ctx) => {
    ctx.body = { tokens: (await tokens.list()).map(presentToken) }
  })

  router.delete('/tokens/:id', async (ctx) => {
    about(ctx, { path: parameter(ctx, 'id').slice(0, 64) })
    await tokens.revoke(parameter(ctx, 'id'))
    ctx.status = 204
  })

  router.post('/enrolments', jsonBody, async (ctx) => {
    const { enrolment, secret } = await enrolments.create(bodyOf(ctx, enrolmentRequestSchema))
    about(ctx, { path: `${enrolment.id} ${enrolment.clients}` })
    ctx.set('Cache-Control', 'no-store')
    ctx.status = 201
    ctx.body = { ...presentEnrolment(enrolment), secret }
  })

  router.get('/enrolments', async (ctx) => {
    ctx.body = { enrolments: (await enrolments.list()).map(presentEnrolment) }
  })

  router.delete('/enrolments/:id', async (ctx) => {
    about(ctx, { path: parameter(ctx, 'id').slice(0, 64) })
    await enrolments.revoke(parameter(ctx, 'id'))
    ctx.status = 204
  })

  router.post('/credentials', jsonBody, async (ctx) => {
    const request = bodyOf(ctx, credentialRequestSchema)
    const principal = principalOf(ctx)
    about(ctx, { clientId: request.clientId })
    ctx.set('Cache-Control', 'no-store')
    ctx.status = 201
    if (principal.kind === 'enrolment') {
      const { credential, secret } = await enrolments.enrol(principal.enrolment, request)
      ctx.body = { ...presentCredential(credential), ...(secret === undefined ? {} : { secret }) }
      return
    }
    // A further key is asked for with a proof by the old one, made for this very key.
    const { clientId, publicKey } = request
    const mine = principal.kind === 'agent' && principal.clientId === clientId && principal.by === 'proof'
    if (!mine || publicKey === undefined || principal.purpose !== 'credential' || principal.subject !== publicKey) {
      throw new AppError('not-permitted', 'A further key needs a proof by the one before, or an enrolment token.')
    }
    ctx.body = presentCredential(await credentials.rotate(principal, publicKey))
  })

  router.get('/credentials', async (ctx) => {
    ctx.body = { credentials: (await credentials.list(query(ctx, 'client'))).map(presentCredential) }
  })

  router.delete('/credentials', async (ctx) => {
    const clientId = valid(queries.client, query(ctx, 'client'), 'client')
    about(ctx, { clientId })
    ctx.body = { revoked: await credentials.revokeClient(clientId) }
  })

  router.delete('/credentials/:id', async (ctx) => {
    const path = parameter(ctx, 'id').slice(0, 64)
    about(ctx, { path })
    const { clientId } = await credentials.revoke(parameter(ctx, 'id'))
    about(ctx, { clientId, path })
    ctx.status = 204
  })
}

const time = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

function presentToken({ createdAt, expiresAt, revokedAt, ...token }: TokenRecord): Token {
  return { ...token, createdAt: time(createdAt), expiresAt: time(expiresAt), revokedAt: time(revokedAt) }
}

function presentEnrolment({ createdAt, expiresAt, revokedAt, ...enrolment }: EnrolmentRecord): Enrolment {
  return { ...enrolment, createdAt: time(createdAt), expiresAt: time(expiresAt), revokedAt: time(revokedAt) }
}

function presentCredential(credential: CredentialRecord): Credential {
  const { id, clientId, publicKey, createdAt, provenAt, revokedAt } = credential
  const kind = publicKey === null ? 'bearer' : 'key'
  return { id, clientId, kind, createdAt: time(createdAt), provenAt: time(provenAt), revokedAt: time(revokedAt) }
}
