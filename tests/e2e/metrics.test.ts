import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256 } from '../../shared/digest.ts'
import { metricsOf, transfer, valueOf } from '../helpers/prometheus.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const SIZE = 3_000_000

describe('the metrics', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
    await rawAgent(stack, 'known')
  })
  afterAll(() => stack.stop())

  /** By how much each series has risen while something was done. */
  const risen = async (work: () => Promise<unknown>): Promise<(series: string) => number> => {
    const before = await metricsOf(stack)
    await work()
    const after = await metricsOf(stack)
    return (series) => (valueOf(after, series) ?? 0) - (valueOf(before, series) ?? 0)
  }

  const putWhole = (id: string, body: string, digestOf = body): Promise<Response> =>
    fetch(`${stack.url}/jobs/${id}/file`, {
      method: 'PUT',
      body,
      headers: { 'repr-digest': `sha-256=:${sha256().update(digestOf).digest('base64')}:` },
    })

  test('follow a download from its request to its end', async () => {
    const rise = await risen(() => transfer(stack, 'counted', SIZE))
    expect(rise('backhaul_download_wait_seconds_count')).toBe(1)
    expect(rise('backhaul_download_duration_seconds_count{status="completed"}')).toBe(1)
    expect(rise('backhaul_downloads_ended_total{status="completed"}')).toBe(1)
    expect(rise('backhaul_bytes_received_total')).toBe(SIZE)
    expect(rise('backhaul_bytes_completed_total')).toBe(SIZE)
    expect(rise('backhaul_polls_answered_total{outcome="jobs"}')).toBeGreaterThanOrEqual(1)
  })

  test('tell how old the oldest of those is that have not ended', async () => {
    const age = async (): Promise<number | undefined> =>
      valueOf(await metricsOf(stack), 'backhaul_downloads_oldest_seconds{status="queued"}')
    expect(await age()).toBe(0)
    const { id } = await stack.ask({ clientId: 'known', path: 'first' })
    await stack.execute(`UPDATE downloads SET created_at = created_at - 5000000 WHERE id = '${id}'`)
    await stack.ask({ clientId: 'known', path: 'second' })
    expect(await age()).toBeGreaterThan(5000)
    expect(valueOf(await metricsOf(stack), 'backhaul_downloads_open{status="queued"}')).toBe(2)
  })

  test('tell why an attempt was given up, and count the wait once', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'again' })
    const rise = await risen(async () => {
      expect((await putWhole(id, 'damaged', 'whole')).status).toBe(400)
      expect((await putWhole(id, 'whole')).status).toBe(200)
    })
    expect(rise('backhaul_attempts_abandoned_total{reason="io-error"}')).toBe(1)
    expect(rise('backhaul_http_refusals_total{code="digest-mismatch"}')).toBe(1)
    expect(rise('backhaul_download_wait_seconds_count')).toBe(1)
    expect(rise('backhaul_bytes_received_total')).toBe('damaged'.length + 'whole'.length)
  })

  test('tell why a download failed; one that never began has no duration', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'denied' })
    const rise = await risen(() => stack.post(`/jobs/${id}/fail`, { code: 'denied' }))
    expect(rise('backhaul_downloads_failed_total{reason="denied"}')).toBe(1)
    expect(rise('backhaul_downloads_ended_total{status="failed"}')).toBe(1)
    expect(rise('backhaul_download_duration_seconds_count{status="failed"}')).toBe(0)
  })

  const calls = (labels: string): string => `backhaul_http_request_duration_seconds_count{${labels}}`

  test('count calls by the template of their route, and never by what is in a path', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'called' })
    const rise = await risen(async () => {
      await stack.get(`/downloads/${id}`)
      await stack.get('/downloads/not-there')
      await stack.get('/secret-name/of-somebody')
      await fetch(`${stack.url}/clients`, { method: 'PROPFIND' })
    })
    expect(rise(calls('method="GET",route="/downloads/{id}",status="2xx"'))).toBe(1)
    expect(rise(calls('method="GET",route="/downloads/{id}",status="4xx"'))).toBe(1)
    expect(rise(calls('method="GET",route="none",status="4xx"'))).toBe(1)
    expect(rise(calls('method="other",route="none",status="4xx"'))).toBe(1)
    expect(rise('backhaul_http_refusals_total{code="route-unknown"}')).toBe(1)
    const metrics = await metricsOf(stack)
    for (const secret of [id, 'secret-name', 'PROPFIND']) expect(metrics).not.toContain(secret)
  })

  test('know a poll by its answer and not by its wait, and leave out who asked to wait', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'waited' })
    await rawAgent(stack, 'quiet')
    // Held for three quarters of it, at least.
    const wait = { prefer: 'wait=4' }
    const polls = 'method="GET",route="/jobs",status="2xx"'
    const rise = await risen(async () => {
      expect((await fetch(`${stack.url}/jobs?client=quiet`, { headers: wait })).status).toBe(204)
      await stack.get(`/downloads/${id}`, { prefer: 'wait=1' })
    })
    expect(rise('backhaul_polls_answered_total{outcome="nothing"}')).toBeGreaterThanOrEqual(1)
    expect(rise(calls(polls))).toBeGreaterThanOrEqual(1)
    expect(rise(`backhaul_http_request_duration_seconds_sum{${polls}}`)).toBeLessThan(3)
    expect(rise(calls('method="GET",route="/downloads/{id}",status="2xx"'))).toBe(0)
  })

  test('know who went away before the answer', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'cut' })
    const { host, hostname, port } = new URL(stack.url)
    const socket = connect(Number(port), hostname)
    socket.write(`PUT /jobs/${id}/file HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100\r\n\r\nhalf`)
    await until('it to have begun', async () => (await stack.get(`/downloads/${id}`))['status'] === 'transferring')
    socket.destroy()
    const cut = calls('method="PUT",route="/jobs/{id}/file",status="cut"')
    await until('it to be counted', async () => valueOf(await metricsOf(stack), cut) === 1)
  })

  test('tell of the stores what there is to tell', async () => {
    const metrics = await metricsOf(stack)
    for (const look of ['sites', 'clients', 'downloads', 'database', 'store']) {
      expect(valueOf(metrics, `backhaul_look_success{look="${look}"}`)).toBe(1)
    }
    expect(valueOf(metrics, 'backhaul_database_answer_seconds')).toBeGreaterThan(0)
    const isShared = process.env['BACKHAUL_STORES'] === 'shared'
    const [room, used] = ['backhaul_store_free_bytes', 'backhaul_database_connections{state="used"}']
    expect(valueOf(metrics, room)).toEqual(isShared ? undefined : expect.any(Number))
    expect(valueOf(metrics, used)).toEqual(isShared ? expect.any(Number) : undefined)
    // A scrape does not see itself.
    expect(valueOf(metrics, 'backhaul_database_connections{state="waiting"}')).toEqual(isShared ? 0 : undefined)
  })
})
