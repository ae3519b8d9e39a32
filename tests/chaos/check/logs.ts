const ERROR = 50
const FATAL = 60

/** Lines at the level of an error that tell of something outside, and no mistake of the program. */
const expected: Readonly<Record<string, readonly RegExp[]>> = {
  server: [],
  agent: [/^job failed: /],
}
/** What a full disk may do to the server. */
const ofFullDisk = [/; it is tried again$/, /^bytes sent in vain are not counted$/, /^request failed$/]

/** Lines of a process's output that should not be there. @param diskWasFull whether the server ever had no room */
export function judgeLog(kind: 'server' | 'agent', output: string, diskWasFull: boolean): string[] {
  const allowed = [...(expected[kind] ?? []), ...(diskWasFull && kind === 'server' ? ofFullDisk : [])]
  return output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .filter((line) => {
      const { level, msg } = parse(line)
      if (level === undefined) return true
      return level >= FATAL || (level >= ERROR && !allowed.some((pattern) => pattern.test(msg)))
    })
}

/** A line that is none of the log's has no level. */
function parse(line: string): { level: number | undefined; msg: string } {
  try {
    const { level, msg } = JSON.parse(line) as { level?: number; msg?: string }
    return { level, msg: msg ?? '' }
  } catch {
    return { level: undefined, msg: line }
  }
}
