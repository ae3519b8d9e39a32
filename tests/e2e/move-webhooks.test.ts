import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { runMove, startMoving, type Moving } from '../helpers/moving.ts'
import { describeWith } from '../helpers/needs.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { startReceiver, type Receiver } from '../helpers/receiver.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { until } from '../helpers/until.ts'

// Many programs are started, one after the other.
jest.setTimeout(300_000)

describeWith({ otherwise: postgresLacking() ?? s3Lacking() }, 'webhooks of a server that moves', () => {
  let moving: Moving
  let to: Receiver
  let isWell = true

  beforeEach(async () => {
    to = await startReceiver((response) => response.writeHead(isWell ? 204 : 500).end())
    const secret = `whsec_${Buffer.alloc(32, 'k').toString('base64')}`
    moving = await startMoving({ WEBHOOK_URL: to.url, WEBHOOK_SECRET: secret })
  })
  afterEach(async () => {
    await moving.stop()
    await to.close()
  })

  test('what was told is not told again, what waits comes as it was, and what the old server had not looked at comes, too', async () => {
    const { stack, home } = moving
    await stack.server.line(({ msg }) => msg === 'webhooks tell what happens from now on')
    const told = (await moving.finished('told', 1000)).download['id']
    await to.has(1)
    isWell = false
    const waits = (await moving.failedHalfway()).id
    await to.has(2)
    const unseen = (await stack.ask({ clientId: 'told' }))['id']
    await stack.server.kill('SIGTERM')
    // As a server leaves it that is killed at this moment.
    await stack.execute(
      `UPDATE downloads SET status = 'failed', reason = 'denied', completed_at = 1 WHERE id = '${unseen}'`,
    )
    expect(await runMove(stack, home.to)).toMatchObject({ code: 0, said: { finished: true } })

    isWell = true
    await moving.startThere()
    await until('all to be told', async () =>
      [waits, unseen].every((id) => to.received.slice(2).some(({ json }) => json['data']['downloadId'] === id)),
    )
    await moving.finished('new', 1000)
    const heard = await to.has(5)
    const again = heard.slice(2).find(({ json }) => json['data']['downloadId'] === waits)
    expect(again).toMatchObject({ body: heard[1]!.body, headers: { 'webhook-id': heard[1]!.headers['webhook-id'] } })
    expect(heard.filter(({ json }) => json['data']['downloadId'] === told)).toHaveLength(1)
    expect(heard).toHaveLength(5)
    expect(stack.server.output()).not.toContain('webhooks tell what happens from now on')
  })
})
