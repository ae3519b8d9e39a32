import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildingFolder, buildOptions, buildProgram, say } from './build.ts'
import { bundle, bundleForBrowsers } from './bundle.ts'
import { assetNames } from '../server/web/assets.ts'
import { BUNDLE, ENTRY } from '../server/web/modules.ts'
import { nodeOptionsOf, projectFolder } from './project.ts'
import { openKey, publish, signSums } from './release.ts'
import { makeServerDeb } from './server-deb.ts'

// npm run build:server [-- --platform linux-x64 --platform linux-arm64] [--key FILE] [--to FOLDER] [--no-deb] [--version X]
// Makes the server, for each platform an executable, compressed, and a Debian package; and their digests with a signature.
// In a folder of their own: what sites install is signed in another.
const options = buildOptions('dist/server')
const folder = await buildingFolder(options)
const program = {
  main: await bundle('server/main.ts', options.version),
  assets: {
    'hash-worker.ts': await bundle('server/stores/disk/hash-worker.ts'),
    [BUNDLE]: await bundleForBrowsers(`server/web/${ENTRY}`),
    ...(await webAssets()),
  },
  nodeOptions: nodeOptionsOf('start'),
}
const files = await buildProgram('backhaul-server', { program, makeDeb: makeServerDeb }, { ...options, folder })
await signSums({ folder, files, key: await openKey(options.key) })
await publish({ from: folder, to: options.folder })
say(`signed ${join(options.folder, 'SHA256SUMS')} with ${options.key}`)

/** What pages are made with, by name. */
async function webAssets(): Promise<Record<string, string>> {
  const read = (name: string): Promise<string> => readFile(join(projectFolder, 'server/web/assets', name), 'utf8')
  return Object.fromEntries(await Promise.all(assetNames.map(async (name) => [name, await read(name)])))
}
