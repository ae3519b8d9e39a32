/** No caller is held for longer than this, in seconds. */
const MAX_WAIT = 300

/** The seconds of `Prefer: wait=N` (RFC 7240 §4.3) that are applied, 300 at most; undefined without one. */
export function waitSeconds(prefer: string): number | undefined {
  const seconds = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?/i.exec(prefer)?.[1]
  return seconds === undefined ? undefined : Math.min(Number(seconds), MAX_WAIT)
}
