// The health check of the images: `node deploy/health.ts server` or `agent`; exits with 0 when it is well.
import { get as getPlain, type IncomingMessage, type RequestOptions } from 'node:http'
import { get as getOverTls } from 'node:https'
import { json } from 'node:stream/consumers'

/** Less than the image's own limit, so that there is a line that says why, in ms. */
const WITHIN = 4_000

const { HOST = '', PORT = '3000', TLS_CERT = '', CLIENT_PORT = '8080' } = process.env

/** Of every address, the one of this container. */
const host = ['', '0.0.0.0', '::'].includes(HOST) ? '127.0.0.1' : HOST

function ask(url: string): Promise<IncomingMessage> {
  // Nothing secret is said, and the certificate is for the name that others call this container by.
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    signal: AbortSignal.timeout(WITHIN),
    rejectUnauthorized: false,
  }
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? getOverTls(url, options, resolve) : getPlain(url, options, resolve)
    request.on('error', reject)
  })
}

/** @returns what it has to say, and whether that is good */
async function look(what: string | undefined): Promise<[text: string, well: boolean]> {
  if (what === 'server') {
    const { statusCode } = await ask(`${TLS_CERT === '' ? 'http' : 'https'}://${host}:${PORT}/ready`)
    return [`GET /ready: ${statusCode}`, statusCode === 200]
  }
  const { connected } = (await json(await ask(`http://127.0.0.1:${CLIENT_PORT}/status`))) as { connected?: boolean }
  return connected ? ['connected', true] : ['not connected to the server', false]
}

try {
  const [text, well] = await look(process.argv[2])
  console.log(text)
  process.exit(well ? 0 : 1)
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error))
  process.exit(1)
}
