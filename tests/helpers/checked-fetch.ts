import { afterAll, afterEach } from '@jest/globals'
import type { ApiCheck } from './api-description.ts'

// Runs before each test file: every answer that one of our servers gives to fetch is held against GET /openapi.json.
const plainFetch = globalThis.fetch
const wrong: string[] = []
let check: ApiCheck | undefined

globalThis.fetch = async (input, init) => {
  const response = await plainFetch(input, init)
  if (isOurs(response)) await look(init?.method ?? (input instanceof Request ? input.method : 'GET'), response)
  return response
}

/** In bytes; what is longer has been looked at on other pages. */
const LONGEST = 1024 * 1024

/** The headers that careful.ts sets; what stands before the server passes them on. */
function isOurs({ headers }: Response): boolean {
  return headers.get('origin-agent-cluster') === '?1' && headers.get('x-permitted-cross-domain-policies') === 'none'
}

async function look(method: string, response: Response): Promise<void> {
  check ??= await load()
  const { url, status, headers } = response
  const mismatch = check.mismatch({ method, url: new URL(url), status, headers, text: await textOf(response) })
  if (mismatch !== undefined) wrong.push(mismatch)
}

/** Of a copy, and of what is short: the content of a file is left to the test, piece by piece. */
async function textOf(response: Response): Promise<string | undefined> {
  const { headers } = response
  const length = Number(headers.get('content-length') ?? Infinity)
  if (!/^application\/(?:problem\+)?json/.test(headers.get('content-type') ?? '') || length > LONGEST) return undefined
  try {
    return (await response.clone().text()) || undefined
  } catch {
    // The connection broke: whoever reads the answer itself is told.
    return undefined
  }
}

/** Where it is needed only: most unit tests call no server. */
async function load(): Promise<ApiCheck> {
  const { createApiCheck } = await import('./api-description.ts')
  const { describeApi } = await import('../../server/http/openapi.ts')
  return createApiCheck(describeApi('0.0.0'))
}

function report(): void {
  if (wrong.length === 0) return
  throw new Error(`The API's description does not hold:\n${wrong.splice(0).join('\n')}`)
}

afterEach(report)
// What was called before the first test, or after the last.
afterAll(report)
