import { AppError } from '../../shared/errors.ts'
import { pause } from '../../shared/wait.ts'
import type { ByteStore } from '../byte-ports.ts'
import type { JobStore } from '../ports.ts'

/** Load balancers ask every few seconds, and few wait for longer, in ms. */
const ANSWER_WITHIN = 2_000

/**
 * Whether both stores answer, and do so soon: one whose line is dead would be waited for much longer.
 * @throws AppError `store-busy` when they do not, and what they throw
 */
export async function checkStores({ jobs, bytes }: { jobs: JobStore; bytes: ByteStore }): Promise<void> {
  await answered(Promise.all([jobs.findDownload(''), bytes.check()]), ANSWER_WITHIN)
}

/**
 * What the stores answer, if they do within `ms`; what they answer later is of no interest.
 * @throws AppError `store-busy` when they do not, and what they throw
 */
export async function answered<T>(asked: Promise<T>, ms: number): Promise<T> {
  const over = new AbortController()
  const late = async (): Promise<never> => {
    await pause(ms, over.signal)
    throw new AppError('store-busy', `The stores have not answered within ${ms / 1000} s; come again.`)
  }
  try {
    return await Promise.race([asked, late()])
  } finally {
    over.abort()
  }
}
