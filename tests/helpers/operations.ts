import type { Operation } from '../../server/http/operation.ts'
import { operations } from '../../server/http/operations.ts'

/** A call of one operation, as somebody would make it. */
export interface OperationCall {
  name: string
  operation: Operation
  method: string
  path: string
  body: string | undefined
}

/** Every operation of the server, on one download and one client. */
export function callsOf({ downloadId, clientId }: { downloadId: string; clientId: string }): OperationCall[] {
  return Object.entries(operations).map(([name, operation]) => {
    const [method = '', template = ''] = name.split(' ')
    const id = operation.of === 'client' ? clientId : downloadId
    const file = template.startsWith('/assets/') ? 'backhaul.css' : 'report.txt'
    const path = template.replace('{id}', id).replace('{path}', file).replace('{name}', 'SHA256SUMS')
    const ofClient = name === 'GET /jobs' || name === 'POST /updates/{id}'
    const query = ofClient ? `?client=${clientId}` : template.endsWith('/chunks') ? '?attempt=1' : ''
    const body = operation.request === undefined ? undefined : JSON.stringify(bodyOf(clientId))
    return { name, operation, method, path: path + query, body }
  })
}

/** More than any of them wants: what is too much comes after who may. */
const bodyOf = (clientId: string): object => ({ clientId, protocol: 1 })

/** @returns the status, and the code of the problem if it is one */
export async function answerOf(
  url: string,
  { method, path, body }: OperationCall,
  headers: Record<string, string> = {},
): Promise<{ status: number; code: string | undefined }> {
  const json: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(url + path, {
    method,
    headers: { ...json, ...headers },
    ...(body === undefined ? {} : { body }),
  })
  const type = response.headers.get('content-type')
  // It has no end.
  if (type?.startsWith('text/event-stream')) await response.body?.cancel()
  const text = response.bodyUsed ? '' : await response.text()
  const problem = type?.startsWith('application/problem+json')
  return { status: response.status, code: problem ? (JSON.parse(text) as { code: string }).code : undefined }
}
