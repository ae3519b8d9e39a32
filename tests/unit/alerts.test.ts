import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { blocksOf, fitted } from '../helpers/page.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const run = promisify(execFile)
const [config = '', rules = ''] = blocksOf('docs/OPERATIONS.md', 'yaml')

/** What each alert is for, as the course of a metric, a value a minute; and what is no reason for it. */
const courses: Record<string, { alarming: string[]; quiet: string[] }> = {
  BackhaulDown: { alarming: ['up{job="backhaul"} 1 0x90'], quiet: ['up{job="backhaul"} 1x90'] },
  BackhaulRestarts: {
    alarming: ['process_start_time_seconds{job="backhaul"} 0+60x90'],
    quiet: ['process_start_time_seconds{job="backhaul"} 0x60 60x30'],
  },
  BackhaulSitesGone: {
    alarming: ['backhaul_agents_online 100x30 70x60'],
    quiet: ['backhaul_agents_online 100x30 85x60'],
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
  BackhaulOpenFiles: {
    alarming: ['process_open_fds{job="backhaul"} 90x90', 'process_max_fds{job="backhaul"} 100x90'],
    quiet: ['process_open_fds{job="backhaul"} 70x90', 'process_max_fds{job="backhaul"} 100x90'],
  },
  BackhaulBusy: {
    alarming: ['nodejs_eventloop_lag_p99_seconds{job="backhaul"} 0.9x90'],
    quiet: ['nodejs_eventloop_lag_p99_seconds{job="backhaul"} 0.1x90'],
  },
}

describe('the alerts of docs/OPERATIONS.md', () => {
  let stack: Stack
  let place: Awaited<ReturnType<typeof temporaryFolder>>

  beforeAll(async () => {
    place = await temporaryFolder()
    stack = await startStack()
    await writeFile(join(place.folder, 'rules.yml'), rules)
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  test('ask for what the server tells', async () => {
    const metrics = await (await fetch(`${stack.url}/metrics`)).text()
    const told = new Set([...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
    const asked = new Set(rules.match(/\b(?:backhaul|process|nodejs)_\w+/g))
    expect(asked.size).toBeGreaterThan(4)
    for (const name of asked) expect(told).toContain(name)
  })

  testWith({ programs: ['promtool'] }, 'Prometheus takes them, and its configuration', async () => {
    const token = join(place.folder, 'token')
    await writeFile(token, 'secret')
    const here = fitted(config, {
      '/etc/prometheus/backhaul.yml': join(place.folder, 'rules.yml'),
      '/etc/prometheus/backhaul-token': token,
    })
    await writeFile(join(place.folder, 'prometheus.yml'), here)
    const { stdout } = await run('promtool', ['check', 'config', join(place.folder, 'prometheus.yml')])
    expect(stdout).toContain(`${Object.keys(courses).length} rules found`)
  })

  testWith({ programs: ['promtool'] }, 'each is raised by what it is for, and by nothing less', async () => {
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
    // JSON is YAML, too.
    const file = join(place.folder, 'tests.yml')
    await writeFile(file, JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }))
    expect((await run('promtool', ['test', 'rules', file])).stdout).toContain('SUCCESS')
  })
})
