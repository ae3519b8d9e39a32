import type { ZodType } from 'zod'
import { problemSchema } from '../shared/protocol.ts'
import { CliError } from './errors.ts'

/** What an HTTP answer consists of, its body as text. `url` is what was asked, fit to be shown. */
export interface RawAnswer {
  url: string
  status: number
  contentType: string
  location?: string | undefined
  body: string
}

/** @throws CliError `answer-unknown` when the body is not JSON of the form that `schema` describes */
export function readAnswer<T>(answer: RawAnswer, schema: ZodType<T>): { value: T; raw: unknown } {
  const raw = parseJson(answer.body)
  const read = schema.safeParse(raw)
  if (!read.success) throw unknownAnswer(answer)
  return { value: read.data, raw }
}

/** The error that an answer other than 2xx stands for: the server's problem, or something in between that is not ours. */
export function refusal(answer: RawAnswer): CliError {
  const read = problemSchema.safeParse(parseJson(answer.body))
  if (!read.success) return unknownAnswer(answer)
  const { code, detail, title } = read.data
  return new CliError(code, detail ?? title, { status: answer.status })
}

function unknownAnswer({ url, status, contentType, location }: RawAnswer): CliError {
  const what = contentType.split(';')[0] || 'no content type'
  const moved = location ? ` and points to ${location}` : ''
  const message = `${url} answered ${status} (${what})${moved}, which is not an answer of Backhaul; check --server and what is in between.`
  return new CliError('answer-unknown', message)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON is an answer like any other: the caller says that it is not ours.
    return undefined
  }
}
