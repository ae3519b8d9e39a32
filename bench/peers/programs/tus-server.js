import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

// node tus-server.js HOST PORT FOLDER
const [host, port, directory] = process.argv.slice(2)

const server = new Server({ path: '/files', datastore: new FileStore({ directory }) })
server.listen({ host, port: Number(port) }, () => process.stdout.write('{"ready":true}\n'))
