import { Counter, Histogram, type Registry } from 'prom-client'
import { errorCodes, type ErrorCode } from '../../shared/errors.ts'

/** In s: what is asked of the database takes ms, and a long chunk over a slow line minutes. */
const BUCKETS = [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 300]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']

export interface Call {
  method: string
  /** As the route is described: `/downloads/{id}`; undefined where none was found. */
  route: string | undefined
  /** Undefined when the caller went away before the answer. */
  status: number | undefined
  /** From its first line to the end of the answer; without the time that a poll was held. */
  ms: number
}

export interface CallMetrics {
  called(call: Call): void
  refused(code: ErrorCode): void
}

/** What is called, and how it is answered. */
export function countCalls(registry: Registry): CallMetrics {
  const registers = [registry]
  const requests = new Histogram({
    name: 'backhaul_http_request_duration_seconds',
    help: 'Requests, by method, route and class of the answer; not those that asked to wait, but for agents’ polls without their wait.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers,
  })
  const refusals = new Counter({
    name: 'backhaul_http_refusals_total',
    help: 'Requests that were answered with a problem, by its code; without the challenges that agents ask for.',
    labelNames: ['code'],
    registers,
  })
  const polls = new Counter({
    name: 'backhaul_polls_answered_total',
    help: 'Polls of agents that were answered, by whether there was something to tell.',
    labelNames: ['outcome'],
    registers,
  })
  // What appears with its first event has not risen by it, to Prometheus.
  for (const code of errorCodes) refusals.inc({ code }, 0)
  for (const outcome of ['jobs', 'nothing']) polls.inc({ outcome }, 0)

  return {
    called({ method, route, status, ms }) {
      const labels = {
        method: METHODS.includes(method) ? method : 'other',
        route: route ?? 'none',
        status: status === undefined ? 'cut' : `${Math.floor(status / 100)}xx`,
      }
      requests.observe(labels, ms / 1000)
      if (route !== '/jobs' || method !== 'GET') return
      if (status === 200) polls.inc({ outcome: 'jobs' })
      if (status === 204) polls.inc({ outcome: 'nothing' })
    },
    refused: (code) => refusals.inc({ code }),
  }
}
