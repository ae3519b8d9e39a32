import { machineMs, openConnection, requestText } from './connection.ts'

export interface Answer {
  status: number
  body: string
  /** When the request was sent, as `machineMs`. */
  sentAt: number
}

/** Calls one after the other over one connection. */
export interface Operator {
  call(method: string, path: string, body?: unknown): Promise<Answer>
  close(): void
}

export function createOperator(url: URL): Operator {
  let answered: ((answer: { status: number; body: string }) => void) | undefined
  let failed: ((error: Error) => void) | undefined
  const connection = openConnection({
    url,
    onAnswer: (status, body) => answered?.({ status, body }),
    onEnd: (why) => failed?.(new Error(`the operator's connection: ${why}`)),
  })
  return {
    async call(method, path, body) {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const request = requestText(url, `${method} ${path} HTTP/1.1`, ['accept: */*'], text)
      const sentAt = machineMs()
      const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
        answered = resolve
        failed = reject
        connection.send(request)
      })
      return { ...answer, sentAt }
    },
    close: () => connection.close(),
  }
}
