import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { fitted } from '../helpers/page.ts'
import { projectFolder } from '../helpers/process.ts'
import { metricsOf, namesIn, seriesNames, transfer } from '../helpers/prometheus.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

const run = promisify(execFile)
const textOf = (name: string): Promise<string> => readFile(join(projectFolder, 'deploy', name), 'utf8')

/** What only a server on PostgreSQL tells. */
const ofSeveral = ['backhaul_database_connections']
const none = 'backhaul_downloads_ended_total{status="completed"} 0x90'

/** What each alert is for, as the course of a metric, a value a minute; and what is no reason for it. */
const courses: Record<string, { alarming: string[]; quiet: string[] }> = {
  BackhaulDown: { alarming: ['up{job="backhaul"} 1 0x90'], quiet: ['up{job="backhaul"} 1x90'] },
  BackhaulRestarts: {
    alarming: ['process_start_time_seconds{job="backhaul"} 0+60x90'],
    quiet: ['process_start_time_seconds{job="backhaul"} 0x60 60x30'],
  },
  BackhaulStores: {
    alarming: ['backhaul_look_success{look="database"} 0x90'],
    quiet: ['backhaul_look_success{look="database"} 1x77 0x2 1x10'],
  },
  BackhaulDiskFills: {
    alarming: ['backhaul_store_free_bytes 100000000000-1000000000x90'],
    quiet: ['backhaul_store_free_bytes 100000000000-10000000x90'],
  },
  BackhaulSitesGone: {
    alarming: ['backhaul_polls_open{instance="1"} 50x30 20x60', 'backhaul_polls_open{instance="2"} 50x90'],
    // One server is away, and its sites are at the other.
    quiet: ['backhaul_polls_open{instance="1"} 50x30 stale', 'backhaul_polls_open{instance="2"} 50x30 95x60'],
  },
  BackhaulDownloadsFail: {
    alarming: [
      'backhaul_downloads_ended_total{status="failed"} 0+1x90',
      'backhaul_downloads_ended_total{status="completed"} 0+2x90',
    ],
    quiet: [
      'backhaul_downloads_ended_total{status="failed"} 0+1x90',
      'backhaul_downloads_ended_total{status="completed"} 0+9x90',
    ],
  },
  BackhaulNothingBegins: {
    alarming: [
      'backhaul_polls_answered_total{outcome="jobs"} 0+1x90',
      'backhaul_downloads_open{status="queued"} 7x90',
      'backhaul_download_wait_seconds_count 5x90',
      'backhaul_bytes_received_total 1000x90',
      none,
    ],
    // Those that are there have more to do than they do at once.
    quiet: [
      'backhaul_polls_answered_total{outcome="jobs"} 0+1x90',
      'backhaul_downloads_open{status="queued"} 7x90',
      'backhaul_download_wait_seconds_count 5x90',
      'backhaul_bytes_received_total 0+1000x90',
      none,
    ],
  },
  BackhaulVerificationStuck: {
    alarming: ['backhaul_downloads_open{status="verifying"} 1x90', none],
    quiet: [
      'backhaul_downloads_open{status="verifying"} 1x90',
      'backhaul_downloads_ended_total{status="completed"} 0+1x90',
    ],
  },
  BackhaulAttemptsAbandoned: {
    alarming: ['backhaul_attempts_abandoned_total{reason="damaged"} 0+1x90'],
    quiet: ['backhaul_attempts_abandoned_total{reason="no-room"} 0+1x90'],
  },
  BackhaulRefusals: {
    alarming: ['backhaul_http_refusals_total{code="unauthenticated"} 0+20x90'],
    quiet: ['backhaul_http_refusals_total{code="incomplete"} 0+20x90'],
  },
  BackhaulNoRoom: {
    alarming: ['backhaul_http_refusals_total{code="no-room"} 0x70 1x20'],
    quiet: ['backhaul_http_refusals_total{code="no-room"} 1x90'],
  },
  BackhaulWebhooksWait: {
    alarming: ['backhaul_webhook_deliveries_waiting 3x90'],
    quiet: ['backhaul_webhook_deliveries_waiting 3x50 0 3x38'],
  },
  BackhaulWebhooksGivenUp: {
    alarming: ['backhaul_webhook_deliveries_total{outcome="given-up"} 0x70 1x20'],
    quiet: ['backhaul_webhook_deliveries_total{outcome="retried"} 0+1x90'],
  },
  BackhaulOpenFiles: {
    alarming: ['process_open_fds{job="backhaul"} 90x90', 'process_max_fds{job="backhaul"} 100x90'],
    quiet: ['process_open_fds{job="backhaul"} 70x90', 'process_max_fds{job="backhaul"} 100x90'],
  },
  BackhaulBusy: {
    alarming: ['nodejs_eventloop_lag_p99_seconds{job="backhaul"} 0.9x90'],
    quiet: ['nodejs_eventloop_lag_p99_seconds{job="backhaul"} 0.1x90'],
  },
}

/** All that the dashboard asks for. */
async function questions(): Promise<string[]> {
  const dashboard = JSON.parse(await textOf('grafana/backhaul.json')) as Json
  const targets = (dashboard['panels'] as Json[]).flatMap((panel) => (panel['targets'] ?? []) as Json[])
  return targets.map((target) => String(target['expr']))
}

describe('deploy/prometheus and deploy/grafana', () => {
  let stack: Stack
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let rules: string

  beforeAll(async () => {
    place = await temporaryFolder()
    stack = await startStack()
    rules = await textOf('prometheus/backhaul.yml')
    await writeFile(join(place.folder, 'rules.yml'), rules)
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  test('the alerts and the dashboard ask for what the server tells', async () => {
    await transfer(stack, 'site-1', 100_000)
    const told = seriesNames(await metricsOf(stack))
    const asked = new Set([...namesIn(rules), ...namesIn((await questions()).join('\n'))])
    expect(asked.size).toBeGreaterThan(20)
    expect([...asked].filter((name) => !told.has(name) && !ofSeveral.includes(name))).toEqual([])
    // What is told and never looked at need not be told.
    const own = [...told]
      .filter((name) => name.startsWith('backhaul_'))
      .map((name) => name.replace(/_(sum|count|bucket)$/, ''))
    const looked = [...asked].map((name) => name.replace(/_(count|bucket)$/, ''))
    expect(own.filter((name) => !looked.includes(name))).toEqual([])
  })

  test('the dashboard asks of the data source and the job that are chosen, and has its panels beside each other', async () => {
    const dashboard = JSON.parse(await textOf('grafana/backhaul.json')) as Json
    const panels = dashboard['panels'] as Json[]
    const rows = panels.filter((panel) => panel['type'] === 'row').map((panel) => panel['title'])
    expect(rows).toEqual(['Sites', 'Queue', 'Transfers', 'Calls', 'Machine'])
    expect(new Set(panels.map((panel) => panel['id'])).size).toBe(panels.length)
    for (const { type, datasource } of panels) if (type !== 'row') expect(datasource['uid']).toBe('${datasource}')
    for (const expr of await questions()) {
      const selectors = expr.match(/\b(?:backhaul|process|nodejs)_\w+(?:\{[^}]*\})?/g) ?? []
      for (const selector of selectors) expect(selector).toContain('{job="$job"')
    }
    const fields = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    )
    expect(new Set(fields).size).toBe(fields.length)
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24)
  })

  testWith({ programs: ['promtool'] }, 'Prometheus understands what the dashboard asks', async () => {
    const asked = (await questions()).map((expr) => expr.replaceAll('$__rate_interval', '5m'))
    const groups = [{ name: 'g', rules: asked.map((expr, n) => ({ record: `r${n}`, expr })) }]
    // JSON is YAML, too.
    const file = join(place.folder, 'questions.yml')
    await writeFile(file, JSON.stringify({ groups }))
    expect((await run('promtool', ['check', 'rules', file])).stdout).toContain(`SUCCESS: ${asked.length} rules found`)
  })

  testWith({ programs: ['promtool'] }, 'Prometheus takes the alerts, and its configuration', async () => {
    const token = join(place.folder, 'token')
    await writeFile(token, 'secret')
    const here = fitted(await textOf('prometheus/prometheus.yml'), {
      '/etc/prometheus/backhaul.yml': join(place.folder, 'rules.yml'),
      '/etc/prometheus/backhaul-token': token,
    })
    await writeFile(join(place.folder, 'prometheus.yml'), here)
    const { stdout } = await run('promtool', ['check', 'config', join(place.folder, 'prometheus.yml')])
    expect(stdout).toContain(`${Object.keys(courses).length} rules found`)
  })

  testWith({ programs: ['promtool'] }, 'each alert is raised by what it is for, and by nothing less', async () => {
    expect([...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name)).toEqual(Object.keys(courses))
    const seriesOf = (lines: string[]) =>
      lines.map((line) => ({
        series: line.slice(0, line.indexOf(' ')),
        values: line.slice(line.indexOf(' ') + 1),
      }))
    const tests = Object.entries(courses).flatMap(([alert, { alarming, quiet }]) =>
      [alarming, quiet].map((lines) => ({
        interval: '1m',
        input_series: seriesOf(lines),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`,
            eval_time: '80m',
            exp_samples: lines === alarming ? [{ labels: '{}', value: 1 }] : [],
          },
        ],
      })),
    )
    const file = join(place.folder, 'tests.yml')
    await writeFile(file, JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }))
    expect((await run('promtool', ['test', 'rules', file])).stdout).toContain('SUCCESS')
  })
})
