import { mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeAgentDeb } from './agent-deb.ts'
import { bundle } from './bundle.ts'
import { makeExecutable } from './executable.ts'
import { compress } from './compress.ts'
import { canMakeDebs } from './deb.ts'
import { isOwn, platforms, type Platform } from './platforms.ts'
import { nodeOptionsOf, projectFolder, version } from './project.ts'
import { openKey, signSums, writeInstaller } from './release.ts'

// npm run build:agent [-- --platform linux-x64 --platform linux-arm64] [--key FILE] [--to FOLDER] [--no-deb]
// Makes what sites install: for each platform an executable, compressed, and a Debian package; the script that installs
// them; and their digests with a signature.
const { values } = parseArgs({
  options: {
    platform: { type: 'string', multiple: true, default: Object.keys(platforms) },
    key: { type: 'string', default: join(homedir(), '.config/backhaul/release.key') },
    to: { type: 'string', default: join(projectFolder, 'dist') },
    deb: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const folder = values.to
await mkdir(folder, { recursive: true })
const program = {
  main: await bundle('agent/main.ts'),
  assets: {
    'hash-worker.ts': await bundle('agent/hash-worker.ts'),
    'backhaul-agent.service': await readFile(join(projectFolder, 'packaging/agent/backhaul-agent.service'), 'utf8'),
  },
  nodeOptions: nodeOptionsOf('agent'),
}
const debs = values.deb && (await canMakeDebs())
if (values.deb && !debs) say('no Debian packages are made: dpkg-deb is not here')
const made: string[] = []
for (const platform of values.platform as Platform[]) {
  const name = `backhaul-agent-${version}-${platform}`
  await makeExecutable(program, platform, join(folder, name))
  await compress(join(folder, name))
  made.push(`${name}.gz`)
  say(`made ${join(folder, name)}`)
  if (debs) {
    made.push(await makeAgentDeb({ executable: join(folder, name), platform, folder }))
    say(`made ${join(folder, made.at(-1) ?? '')}`)
  }
  if (!isOwn(platform)) continue
  await rm(join(folder, 'backhaul-agent'), { force: true })
  await symlink(name, join(folder, 'backhaul-agent'))
}
const key = await openKey(values.key)
await writeInstaller({ to: join(folder, 'install.sh'), key })
made.push('install.sh')
await signSums({ folder, files: made, key })
say(`signed ${join(folder, 'SHA256SUMS')} with ${values.key}`)
