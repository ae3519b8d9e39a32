import type { Download } from '../../shared/operator.ts'
import { createAsking, type Asked } from './asking.ts'
import { countBytes, type Bytes } from './check/bytes.ts'
import { checkAll } from './check/index.ts'
import { makeFaults } from './faults.ts'
import { createOperator } from './operator.ts'
import type { FaultPlan } from './plan/faults.ts'
import type { Plan } from './plan/index.ts'
import { createRandom } from './random.ts'
import { siteFolder } from './site.ts'
import { makeSources } from './sources.ts'
import { startStage, type Stage } from './stage.ts'

/** What came of a run. */
export interface Outcome {
  plan: Plan
  /** Those that were made. */
  faults: FaultPlan[]
  asked: Asked[]
  downloads: Download[]
  bytes: Bytes
  /** What is lost or untrue, in words; nothing when all promises were kept. */
  wrong: string[]
  /** From the first request to the last end. */
  seconds: number
}

export interface Progress {
  phase: 'preparing' | 'breaking things' | 'settling' | 'checking'
  faults: number
  asked: number
  open: number
}

/** How long the server may take to list everything at the end, in ms. */
const LIST_WITHIN_MS = 60_000

/**
 * Carries the plan out and judges what came of it.
 * @param onEnd sees the stage before it is cleared away
 * @param signal ends the run early
 */
export async function run(
  plan: Plan,
  {
    onProgress,
    onEnd,
    signal,
  }: {
    onProgress: (progress: Progress) => void
    onEnd: (outcome: Outcome, stage: Stage) => Promise<void>
    signal: AbortSignal
  },
): Promise<Outcome> {
  const stage = await startStage(plan)
  try {
    const outcome = await perform(plan, stage, onProgress, signal)
    await onEnd(outcome, stage)
    return outcome
  } finally {
    await stage.stop()
  }
}

async function perform(
  plan: Plan,
  stage: Stage,
  onProgress: (progress: Progress) => void,
  outer: AbortSignal,
): Promise<Outcome> {
  const { stack, sites } = stage
  const sources = await makeSources(
    plan.files,
    sites.map((_, client) => siteFolder(stack, client)),
  )
  const late = new AbortController()
  const signal = AbortSignal.any([outer, late.signal])
  const asking = createAsking({
    operator: createOperator(stack.url, signal),
    sources,
    url: stack.url,
    clientId: (client) => sites[client]?.id ?? '',
    signal,
  })
  const faults: FaultPlan[] = []
  let phase: Progress['phase'] = 'breaking things'
  const tell = (): void => onProgress({ phase, faults: faults.length, asked: asking.asked.length, open: asking.open() })
  const telling = setInterval(tell, 500)
  const startedAt = performance.now()
  const asked = asking.run(plan.asks)

  const calm = new AbortController()
  const changing = sources.change(createRandom(plan.seed + 4), AbortSignal.any([outer, calm.signal]))
  await makeFaults(plan.faults, stage, { onFault: (fault) => void faults.push(fault), signal: outer })
  calm.abort()
  await changing
  heal(stage)
  phase = 'settling'
  const timer = setTimeout(() => late.abort(new Error('not everything has ended')), plan.scale.settle * 1000)
  await asked
  clearTimeout(timer)
  const seconds = (performance.now() - startedAt) / 1000

  phase = 'checking'
  tell()
  clearInterval(telling)
  const list = createOperator(stack.url, AbortSignal.any([outer, AbortSignal.timeout(LIST_WITHIN_MS)])).all
  const { downloads, wrong } = await checkAll({ stage, sources, asked: asking.asked, faults, list })
  const sent = sites.reduce((sum, { proxy }) => sum + proxy.sent(), 0)
  const bytes = countBytes({ downloads, faults, clients: sites.length, sent })
  const unasked = plan.asks.length - asking.asked.length
  if (unasked > 0 && !outer.aborted) wrong.push(`${unasked} requests were refused, or never answered`)
  if (bytes.twice > bytes.bound) wrong.push(`${bytes.twice} bytes were sent twice, more than ${bytes.bound}`)
  return { plan, faults, asked: asking.asked, downloads, bytes, wrong, seconds }
}

/** The lines are good again; what the run did to clocks stays. */
function heal({ sites }: Stage): void {
  for (const { proxy } of sites) {
    proxy.mend()
    proxy.welcome()
    proxy.slow(Infinity)
    proxy.damage(0)
  }
}
