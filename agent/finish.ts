import { z } from 'zod'
import type { Sha256 } from '../shared/digest.ts'
import { messageOf } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import type { CompleteRequest } from '../shared/protocol.ts'
import { fullJitter, pause } from '../shared/wait.ts'
import { checkedRanges } from './answers.ts'
import { isRefused, type Api } from './api.ts'
import { JobDropped } from './failure.ts'
import type { Upload } from './upload.ts'

const completedSchema = z.looseObject({
  status: z.string(),
  verified: z.boolean().optional(),
  sha256: z.string().nullish(),
  filePath: z.string().nullish(),
})

const ASK_AGAIN_MS = 1000

/** Asks the server to verify an attempt, for as long as that takes, and sends what it still lacks. */
export function createFinish({
  api,
  log,
  upload,
  signal,
}: {
  api: Api
  log: Log
  upload: Pick<Upload, 'send'>
  signal: AbortSignal
}): (request: CompleteRequest & { id: string }) => Promise<void> {
  return async ({ id, attempt, size, sha256 }) => {
    for (let incomplete = 0; ;) {
      try {
        const { status, value, retryAfterMs } = await api.call({
          what: `complete the job ${id}`,
          method: 'POST',
          path: `/jobs/${encodeURIComponent(id)}/complete`,
          json: { attempt, size, sha256 },
          schema: completedSchema,
          signal,
        })
        if (status === 200) return logEnd({ log, id, sha256, answer: value })
        await pause(retryAfterMs ?? ASK_AGAIN_MS, signal)
      } catch (error) {
        if (!isRefused(error, 'incomplete')) throw error
        const missing = checkedRanges(error.problem.missing, size)
        if (missing.length === 0) throw new JobDropped(`${messageOf(error)} It names none of them.`, { again: true })
        log.warn({ id, missing: missing.length }, 'the server lacks ranges that it had confirmed; sending them again')
        await upload.send(missing, sha256)
        if (incomplete > 0) await pause(fullJitter(incomplete, { baseMs: 500, capMs: 60_000 }), signal)
        incomplete += 1
      }
      signal.throwIfAborted()
    }
  }
}

function logEnd({
  log,
  id,
  sha256,
  answer,
}: {
  log: Log
  id: string
  sha256: Sha256
  answer: z.infer<typeof completedSchema>
}): void {
  if (answer.verified === true && answer.sha256 === sha256) {
    log.info({ sha256, id, filePath: printable(answer.filePath ?? '') }, 'server confirms SHA-256')
    return
  }
  log.error(
    { id, sha256, server: answer.sha256, verified: answer.verified },
    'the server completed the job without confirming this SHA-256',
  )
}
