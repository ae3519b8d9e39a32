import { createReadStream } from 'node:fs'
import { Upload } from 'tus-js-client'
import { whenAsked } from './when-asked.js'

// node tus-client.js HOST PORT FILE
const [host, port, file] = process.argv.slice(2)

await whenAsked(
  () =>
    new Promise((resolve, reject) => {
      const endpoint = `http://${host}:${port}/files`
      new Upload(createReadStream(file), { endpoint, onSuccess: resolve, onError: reject }).start()
    }),
)
