import { machineMs, openConnection, requestText, type Connection } from './connection.ts'

export interface Answer {
  status: number
  body: string
}

/** Calls over as many connections as there are calls under way. */
export interface Operator {
  call(method: string, path: string, body?: unknown): Promise<Answer>
  close(): void
}

interface Line {
  connection: Connection
  settle(answer: Answer | Error): void
}

export function createOperator(url: URL, headers: Record<string, string>): Operator {
  const common = ['accept: */*', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
  const all: Line[] = []
  const free: Line[] = []

  const open = (): Line => {
    const line: Line = {
      connection: openConnection({
        url,
        onAnswer: (status, body) => line.settle({ status, body }),
        onEnd(why) {
          // One that was idle for long is closed by the server.
          if (free.includes(line)) free.splice(free.indexOf(line), 1)
          line.settle(new Error(`the operator's connection: ${why}`))
        },
      }),
      settle: () => undefined,
    }
    all.push(line)
    return line
  }

  return {
    async call(method, path, body) {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const line = free.pop() ?? open()
      const answer = await new Promise<Answer | Error>((resolve) => {
        line.settle = resolve
        line.connection.send(requestText(url, `${method} ${path} HTTP/1.1`, common, text))
      })
      if (answer instanceof Error) throw answer
      free.push(line)
      return answer
    },
    close: () => all.forEach(({ connection }) => connection.close()),
  }
}

/**
 * Starts `work` every `everyMs`, whether the one before has ended or not: what is slow must not thin out the sample.
 * @returns ms from the moment each was due until what it resolves to, a time of `machineMs`
 */
export async function atPace(count: number, everyMs: () => number, work: () => Promise<number>): Promise<number[]> {
  const begun: Promise<number>[] = []
  let due = machineMs()
  while (begun.length < count) {
    due += everyMs()
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - machineMs())))
    // A timer of this process may be late; the server is not to be blamed for that.
    const startedAt = Math.max(due, machineMs())
    const working = work().then((endedAt) => endedAt - startedAt)
    // Looked at below, once all have begun: until then nobody takes a failure, which would end this process at once.
    working.catch(() => undefined)
    begun.push(working)
  }
  return Promise.all(begun)
}
