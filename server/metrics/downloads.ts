import { Counter, type Registry } from 'prom-client'
import { finalUpdateStates } from '../../shared/operator.ts'
import { finalStatuses } from '../../shared/protocol.ts'
import type { Observer } from '../ports.ts'

/** What becomes of downloads and of orders to update. */
export function countDownloads(registry: Registry): Observer {
  const registers = [registry]
  const ended = new Counter({
    name: 'backhaul_downloads_ended_total',
    help: 'Downloads that have ended since the server started, by their last status.',
    labelNames: ['status'],
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

  return {
    changed(download) {
      if (!finalStatuses.includes(download.status)) return
      ended.inc({ status: download.status })
      resent.inc(download.bytesResent)
      if (download.status === 'completed') completed.inc(download.size ?? 0)
    },
    progress: () => undefined,
    updated(_clientId, update) {
      if (update && finalUpdateStates.includes(update.state)) updates.inc({ state: update.state })
    },
  }
}
