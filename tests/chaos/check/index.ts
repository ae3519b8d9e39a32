import { setTimeout as delay } from 'node:timers/promises'
import type { Download } from '../../../shared/operator.ts'
import type { Asked } from '../asking.ts'
import type { FaultPlan } from '../plan/faults.ts'
import type { Sources } from '../sources.ts'
import type { Stage } from '../stage.ts'
import { judgeLog } from './logs.ts'
import { judge } from './outcome.ts'
import { judgeDatabase, judgeOpenFiles, judgeStore } from './store.ts'

export interface Findings {
  downloads: Download[]
  /** What is lost or untrue, in words. */
  wrong: string[]
}

/** How long a process may take to let go of its last files, in ms. */
const LET_GO_WITHIN_MS = 10_000

/** Looks at everything once all is over. The server is started once more, for what only a start sweeps, and then ended. */
export async function checkAll({
  stage,
  sources,
  asked,
  faults,
  list,
}: {
  stage: Stage
  sources: Sources
  asked: readonly Asked[]
  faults: readonly FaultPlan[]
  list: () => Promise<Download[]>
}): Promise<Findings> {
  const held = await openFiles(stage)
  await stage.server.restart('SIGTERM', 0)
  const downloads = await list()
  const leftovers = await judgeStore(stage.store, downloads)
  const diskWasFull = faults.some(({ name }) => name === 'disk full')
  const requests = await judgeRequests({ stage, sources, asked, downloads, diskWasFull })
  const tooMany = downloads.length - asked.length
  stage.server.release()
  await stage.stack.server.kill('SIGTERM')
  return {
    downloads,
    wrong: [
      ...stage.incidents,
      ...requests,
      ...(tooMany > 0 ? [`there are ${tooMany} downloads that nobody asked for`] : []),
      ...held,
      ...leftovers,
      ...judgeDatabase(stage.database),
      ...stage.processes.flatMap(({ name, running }) =>
        judgeLog(name === 'server' ? 'server' : 'agent', running.output(), diskWasFull).map(
          (line) => `${name} logged: ${line}`,
        ),
      ),
    ],
  }
}

async function judgeRequests({
  stage,
  sources,
  asked,
  downloads,
  diskWasFull,
}: {
  stage: Stage
  sources: Sources
  asked: readonly Asked[]
  downloads: readonly Download[]
  diskWasFull: boolean
}): Promise<string[]> {
  const records = new Map(downloads.map((download) => [download.id, download]))
  const wrong: string[] = []
  for (const entry of asked) {
    const { file } = entry.plan
    const evidence = {
      asked: entry,
      source: sources.of(file),
      download: records.get(entry.id),
      damaged: stage.sites[file.client]?.proxy.damaged() ?? 0,
      diskWasFull,
    }
    const name = `${entry.id} (${JSON.stringify(file.path)} of site-${file.client}, ${file.policy})`
    wrong.push(...(await judge(evidence)).map((what) => `${name} ${what}`))
  }
  return wrong
}

async function openFiles({ server, sites, store }: Stage): Promise<string[]> {
  const look = async (): Promise<string[]> => [
    ...(await judgeOpenFiles('the server', server.pid(), [store])),
    ...(await Promise.all(sites.map(({ id, agent, folder }) => judgeOpenFiles(id, agent.pid(), [folder])))).flat(),
  ]
  const deadline = performance.now() + LET_GO_WITHIN_MS
  let held = await look()
  while (held.length > 0 && performance.now() < deadline) {
    await delay(200)
    held = await look()
  }
  return held
}
