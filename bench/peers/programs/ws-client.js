import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { WebSocket } from 'ws'
import { whenAsked } from './when-asked.js'

// node ws-client.js HOST PORT FILE
const [host, port, file] = process.argv.slice(2)
const pieceBytes = 64 * 1024

const sent = (socket, message) =>
  new Promise((resolve, reject) =>
    socket.send(JSON.stringify(message), (error) => (error ? reject(error) : resolve(undefined))),
  )

await whenAsked(async () => {
  const socket = new WebSocket(`ws://${host}:${port}`)
  await once(socket, 'open')
  const stored = new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection ended early')))
    socket.on('message', (text) => {
      if (JSON.parse(text.toString()).type === 'stored') resolve(undefined)
    })
  })
  let index = 0
  for await (const piece of createReadStream(file, { highWaterMark: pieceBytes })) {
    await sent(socket, { type: 'chunk', index, data: piece.toString('base64') })
    index += 1
  }
  await sent(socket, { type: 'end' })
  await stored
})
