import { describeApi } from '../../server/http/openapi.ts'
import { createApiCheck } from '../helpers/api-description.ts'

const check = createApiCheck(describeApi('0.0.0'))

/**
 * Holds an answer against the description of the API, where the request says plainly what it is for; any query is tried.
 * @param request as it went over the wire
 * @param answer as it came, whole
 * @returns what is not as described; undefined for all else
 */
export function undescribed(request: string, answer: string): string | undefined {
  const [, method = '', target = ''] = /^([A-Z]+) (\/[\w/?&=-]*) HTTP\/1\.1\r\n/.exec(request) ?? []
  const [, status = '', lines = '', body = ''] =
    /^HTTP\/1\.1 (\d{3})[^\r]*\r\n([^]*?)\r\n\r\n([^]*)$/.exec(answer) ?? []
  if (target === '' || target.startsWith('//') || Number(status) < 200) return undefined
  const headers = new Headers(lines.split('\r\n').map((line): [string, string] => pairOf(line)))
  // Node refuses what is no HTTP, and the router says what may be asked.
  if (!headers.has('origin-agent-cluster') || method === 'OPTIONS') return undefined
  const whole = headers.get('content-length') === String(Buffer.byteLength(body))
  const text = whole && /json/.test(headers.get('content-type') ?? '') ? body : undefined
  return check.mismatch({
    method,
    url: new URL(target.split('?', 1)[0]!, 'http://server'),
    status: Number(status),
    headers,
    text,
  })
}

function pairOf(line: string): [string, string] {
  const at = line.indexOf(':')
  return [line.slice(0, at), line.slice(at + 1).trim()]
}
