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
  const answered = new AbortController()
  const late = async (): Promise<never> => {
    await pause(ANSWER_WITHIN, answered.signal)
    throw new AppError('store-busy', `The stores have not answered within ${ANSWER_WITHIN / 1000} s; come again.`)
  }
  try {
    await Promise.race([Promise.all([jobs.findDownload(''), bytes.check()]), late()])
  } finally {
    answered.abort()
  }
}
