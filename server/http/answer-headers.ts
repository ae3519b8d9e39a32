import { z } from 'zod'
import { headers } from '../../shared/protocol.ts'

/** Headers of answers that callers go by. */
export const answerHeaders = {
  'Accept-Ranges': z.literal('bytes').describe('Ranges of it can be asked for.'),
  'Content-Disposition': z.string().describe("The file's name, made safe."),
  'Content-Location': z.string().describe('The content of the download that was made for this.'),
  'Content-Range': z.string().describe('Which bytes these are, and of how many.'),
  ETag: z.string().describe('Names what is answered, for If-None-Match and If-Range.'),
  'Last-Modified': z.string().describe("When the file was changed at the client's site."),
  Location: z.string().describe('Where it is.'),
  'Preference-Applied': z.string().describe('`wait=SECONDS`, as it was applied.'),
  [headers.spread]: z.string().describe('Seconds over which agents spread their return after an interruption.'),
  [headers.reprDigest]: z.string().describe('The SHA-256 of the whole file: `sha-256=:BASE64:`.'),
  'Retry-After': z.string().describe('Seconds after which to come again.'),
  [headers.sessionToken]: z.string().describe('Takes the place of the token that the session was called with.'),
  [headers.uploadLimit]: z.string().describe('`max-append-size=BYTES`: what would not have been too large.'),
  'Set-Cookie': z.string().describe('Keeps the sign-in in a browser, or ends it; no script can read it.'),
  'WWW-Authenticate': z.string().describe('How to say who calls; a nonce for proofs of agents.'),
} as const

export type AnswerHeader = keyof typeof answerHeaders
