import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeAgentDeb } from './agent-deb.ts'
import { buildingFolder, buildOptions, buildProgram, say } from './build.ts'
import { bundle } from './bundle.ts'
import { nodeOptionsOf, projectFolder } from './project.ts'
import { openKey, publish, signSums, writeInstaller } from './release.ts'

// npm run build:agent [-- --platform linux-x64 --platform linux-arm64] [--key FILE] [--to FOLDER] [--no-deb] [--version X]
// Makes what sites install: for each platform an executable, compressed, and a Debian package; the script that installs
// them; and their digests with a signature.
const options = buildOptions('dist')
const folder = await buildingFolder(options)
const read = (name: string): Promise<string> => readFile(join(projectFolder, 'packaging/agent', name), 'utf8')
const units = ['backhaul-agent.service', 'backhaul-agent-update.path', 'backhaul-agent-update.service']
const program = {
  main: await bundle('agent/main.ts', options.version),
  assets: {
    'hash-worker.ts': await bundle('agent/hash-worker.ts'),
    ...Object.fromEntries(await Promise.all(units.map(async (name) => [name, await read(name)]))),
  },
  // Types are stripped by WebAssembly, which there is none of without a JIT: only here, where nothing is left to strip.
  nodeOptions: [...nodeOptionsOf('agent'), '--jitless'],
}
const files = await buildProgram('backhaul-agent', { program, makeDeb: makeAgentDeb }, { ...options, folder })
const key = await openKey(options.key)
await writeInstaller({ to: join(folder, 'install.sh'), key })
await signSums({ folder, files: [...files, 'install.sh'], key })
await publish({ from: folder, to: options.folder })
say(`signed ${join(options.folder, 'SHA256SUMS')} with ${options.key}`)
