import { mkdir, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle } from './bundle.ts'
import { makeExecutable } from './executable.ts'
import { compress } from './compress.ts'
import { isOwn, platforms, type Platform } from './platforms.ts'
import { nodeOptionsOf, projectFolder, version } from './project.ts'
import { openKey, signSums } from './release.ts'

// npm run build:agent [-- --platform linux-x64 --platform linux-arm64] [--key FILE] [--to FOLDER]
// Makes what sites install: one executable for each platform, compressed, with their digests and a signature.
const { values } = parseArgs({
  options: {
    platform: { type: 'string', multiple: true, default: Object.keys(platforms) },
    key: { type: 'string', default: join(homedir(), '.config/backhaul/release.key') },
    to: { type: 'string', default: join(projectFolder, 'dist') },
  },
})
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const folder = values.to
await mkdir(folder, { recursive: true })
const program = {
  main: await bundle('agent/main.ts'),
  threads: { 'hash-worker.ts': await bundle('agent/hash-worker.ts') },
  // Types are stripped by WebAssembly, which there is none of without a JIT: only here, where nothing is left to strip.
  nodeOptions: [...nodeOptionsOf('agent'), '--jitless'],
}
const made: string[] = []
for (const platform of values.platform as Platform[]) {
  const name = `backhaul-agent-${version}-${platform}`
  await makeExecutable(program, platform, join(folder, name))
  await compress(join(folder, name))
  made.push(`${name}.gz`)
  say(`made ${join(folder, name)}`)
  if (!isOwn(platform)) continue
  await rm(join(folder, 'backhaul-agent'), { force: true })
  await symlink(name, join(folder, 'backhaul-agent'))
}
const key = await openKey(values.key)
await signSums({ folder, files: made, key })
say(`signed ${join(folder, 'SHA256SUMS')} with ${values.key}`)
