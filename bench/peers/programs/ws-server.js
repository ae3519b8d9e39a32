import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'

// node ws-server.js HOST PORT FOLDER
// A file as the systems before Backhaul took it: pieces in base64 within JSON, over a WebSocket, each acknowledged.
const [host, port, folder] = process.argv.slice(2)

const server = new WebSocketServer({ host, port: Number(port) })
server.on('connection', (socket) => {
  const file = createWriteStream(join(folder, 'received'))
  let received = 0
  socket.on('message', (text) => {
    const message = JSON.parse(text.toString())
    if (message.type === 'end') {
      file.end(() => socket.send(JSON.stringify({ type: 'stored', received })))
      return
    }
    const bytes = Buffer.from(message.data, 'base64')
    received += bytes.length
    // A disk that is slower than the line holds the line.
    if (!file.write(bytes)) {
      socket.pause()
      file.once('drain', () => socket.resume())
    }
    socket.send(JSON.stringify({ type: 'ack', index: message.index }))
  })
})
await once(server, 'listening')
process.stdout.write('{"ready":true}\n')
