// The health check of the images: `node deploy/health.js server` or `agent`; exits with 0 when it is well.
// Plain JavaScript, for it runs again and again, and Node need not load what strips types.
import { get } from 'node:http'

/** Less than the image's own limit, so that there is a line that says why, in ms. */
const WITHIN = 4_000

const { HOST = '', PORT = '3000', TLS_CERT = '', CLIENT_PORT = '8080' } = process.env

/** The status and the text of an answer. */
async function ask(send, url) {
  // Nothing secret is said, and the certificate is for the name that others call this container by.
  const options = { signal: AbortSignal.timeout(WITHIN), rejectUnauthorized: false }
  const response = await new Promise((resolve, reject) => {
    send(url, options, resolve).on('error', reject)
  })
  let text = ''
  for await (const piece of response) text += piece
  return { status: response.statusCode, text }
}

/** @returns why it is not well; undefined when it is */
async function server() {
  const secure = TLS_CERT !== ''
  // Of every address, the one of this container.
  const own = ['', '0.0.0.0', '::'].includes(HOST) ? '127.0.0.1' : HOST
  const host = own.includes(':') ? `[${own}]` : own
  const send = secure ? (await import('node:https')).get : get
  const { status, text } = await ask(send, `${secure ? 'https' : 'http'}://${host}:${PORT}/ready`)
  return status === 200 ? undefined : `GET /ready: ${status} ${text}`
}

/** @returns why it is not well; undefined when it is */
async function agent() {
  const { text } = await ask(get, `http://127.0.0.1:${CLIENT_PORT}/status`)
  return JSON.parse(text).connected ? undefined : 'not connected to the server'
}

const wrong = await (process.argv[2] === 'agent' ? agent() : server()).catch((error) => error.message)
if (wrong !== undefined) console.log(wrong)
// What holds the connection open is of no use any more.
process.exit(wrong === undefined ? 0 : 1)
