import { failureCodes } from '../shared/protocol.ts'

/** What the program tells a script. The texts are shown by `--help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  refused: 2,
  notFound: 3,
  away: 4,
  unreachable: 5,
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const codesOf: readonly [ExitCode, readonly string[]][] = [
  [exitCodes.refused, ['usage', 'file-exists', 'output-invalid', 'token-file']],
  [exitCodes.notFound, ['client-unknown', 'download-unknown', 'content-removed', 'route-unknown', 'not-found']],
  [exitCodes.away, ['client-offline', 'begin-timeout']],
  [exitCodes.unreachable, ['server-unreachable', 'proxy-refused', 'answer-unknown', 'store-busy', 'shutting-down']],
  [exitCodes.interrupted, ['interrupted']],
  [
    exitCodes.failed,
    [...failureCodes, 'cancelled', 'expired', 'content-broken', 'connection-broken', 'source-changed', 'update-failed'],
  ],
]

/**
 * The exit code for a stable error code, ours, the server's or the reason of a failed download.
 * @param status the HTTP status that came with it; decides for codes that this version does not know
 */
export function exitCodeOf(code: string, status = 500): ExitCode {
  const known = codesOf.find(([, codes]) => codes.includes(code))
  if (known) return known[0]
  return status >= 400 && status < 500 ? exitCodes.refused : exitCodes.failed
}

export const exitCodeHelp = `Exit codes:
  0    it worked
  1    the download failed, was cancelled, expired or arrived damaged; an update failed
  2    wrong usage, or the server refused what was asked
  3    not found: no such client, no such download, no such file at the site
  4    the client is offline, or did not begin in time
  5    the server was not reached, or what answered is not Backhaul
  130  interrupted`
