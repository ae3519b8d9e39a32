import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect } from '@jest/globals'
import { createHttp } from '../../agent/http.ts'
import { testWith } from '../helpers/needs.ts'

const endless = async (more: string): Promise<void> => {
  const proxy = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n\r\n${more}`))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const http = createHttp({
    server: 'https://example.invalid',
    userAgent: 'test',
    proxy: { url: address, shown: address, hasPassword: false, variable: 'HTTPS_PROXY' },
  })
  const asked = http.request({ method: 'GET', path: '/', limitMs: 5_000, signal: new AbortController().signal })
  await expect(asked).rejects.toMatchObject({ name: 'TransientError', unanswered: true })
  // And it leaves no connection behind.
  proxy.close()
  await once(proxy, 'close')
}

// A captive portal says 200 to everything; and a line can die right after the tunnel was opened.
testWith(
  { long: true },
  'an agent hung for ever on a connection that looked alive: a tunnel in which TLS gets nowhere',
  async () => void (await Promise.all([endless(''), endless('<html>sign in</html>')])),
  60_000,
)
