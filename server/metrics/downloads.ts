import { Counter, Histogram, type Registry } from 'prom-client'
import { finalUpdateStates } from '../../shared/operator.ts'
import { failureCodes, finalStatuses } from '../../shared/protocol.ts'
import type { DownloadRecord, Observer } from '../ports.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** In s: a site that is there begins at once, one that is away when it is back; a large file over a slow line takes days. */
const BUCKETS = [1, 5, 20, MINUTE, 5 * MINUTE, 20 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY]
/** Why attempts are given up. */
const givenUp = ['damaged', 'io-error', 'store-full', 'no-room', 'over-quota']

/** What becomes of downloads and of orders to update. */
export function countDownloads(registry: Registry): Observer {
  const registers = [registry]
  const ended = new Counter({
    name: 'backhaul_downloads_ended_total',
    help: 'Downloads that have ended since the server started, by their last status.',
    labelNames: ['status'],
    registers,
  })
  const failed = new Counter({
    name: 'backhaul_downloads_failed_total',
    help: 'Downloads that have failed since the server started, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const abandoned = new Counter({
    name: 'backhaul_attempts_abandoned_total',
    help: 'Attempts that were given up, and whose download was queued again, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const wait = new Histogram({
    name: 'backhaul_download_wait_seconds',
    help: 'From the request for a download until its first attempt began.',
    buckets: BUCKETS,
    registers,
  })
  const duration = new Histogram({
    name: 'backhaul_download_duration_seconds',
    help: 'From the beginning of the first attempt to the end of the download, by its last status.',
    labelNames: ['status'],
    buckets: BUCKETS,
    registers,
  })
  const received = new Counter({
    name: 'backhaul_bytes_received_total',
    help: 'Bytes that have become durable since the server started.',
    registers,
  })
  const completed = new Counter({
    name: 'backhaul_bytes_completed_total',
    help: 'Bytes of completed downloads since the server started.',
    registers,
  })
  const resent = new Counter({
    name: 'backhaul_bytes_resent_total',
    help: 'Bytes of ended downloads that travelled more than once.',
    registers,
  })
  const updates = new Counter({
    name: 'backhaul_updates_ended_total',
    help: 'Orders to update an agent that have ended since the server started, by how.',
    labelNames: ['state'],
    registers,
  })
  // What appears with its first event has not risen by it, to Prometheus.
  for (const status of finalStatuses) {
    ended.inc({ status }, 0)
    duration.zero({ status })
  }
  for (const reason of failureCodes) failed.inc({ reason }, 0)
  for (const reason of givenUp) abandoned.inc({ reason }, 0)
  for (const state of finalUpdateStates) updates.inc({ state }, 0)

  const noteEnd = ({ status, reason, size, bytesResent, startedAt, completedAt }: DownloadRecord): void => {
    ended.inc({ status })
    if (status === 'failed') failed.inc({ reason: reason ?? 'internal' })
    if (status === 'completed') completed.inc(size ?? 0)
    resent.inc(bytesResent)
    if (startedAt !== null && completedAt !== null) duration.observe({ status }, seconds(startedAt, completedAt))
  }

  return {
    changed(download) {
      if (finalStatuses.includes(download.status)) noteEnd(download)
      // A new download has no reason, and neither has one that is tried again as somebody asked for it.
      if (download.status === 'queued' && download.reason !== null) abandoned.inc({ reason: download.reason })
    },
    begun: ({ createdAt, startedAt }) => wait.observe(seconds(createdAt, startedAt ?? createdAt)),
    progress: (_download, bytes) => received.inc(bytes),
    updated(_clientId, update) {
      if (update && finalUpdateStates.includes(update.state)) updates.inc({ state: update.state })
    },
  }
}

/** Between two moments in epoch ms, of a clock that may have been set back meanwhile. */
const seconds = (from: number, to: number): number => Math.max(0, to - from) / 1000
