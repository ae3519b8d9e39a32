import { execFile } from 'node:child_process'
import { access, chmod, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeVersion, projectFolder } from './project.ts'

const run = promisify(execFile)

/** Where agents can run that are made here: what Node calls it, and Debian. */
export const platforms = {
  'linux-x64': { debian: 'amd64' },
  'linux-arm64': { debian: 'arm64' },
} as const
export type Platform = keyof typeof platforms

/** What is made where it is asked for, and is no Debian: of Windows alone npm has Node. */
export const otherPlatforms = ['win-x64'] as const
export type OtherPlatform = (typeof otherPlatforms)[number]

export const isDebian = (platform: Platform | OtherPlatform): platform is Platform => platform in platforms

export const isOwn = (platform: Platform | OtherPlatform): boolean => platform === `${process.platform}-${process.arch}`

/**
 * Node's own executable for a platform: this one, or the npm package that holds another, which npm checks.
 * @throws when the registry has none
 */
export async function nodeFor(platform: Platform | OtherPlatform): Promise<string> {
  if (isOwn(platform)) return process.execPath
  const executable = isDebian(platform) ? 'bin/node' : 'bin/node.exe'
  return join(await packageOf(platform, [executable]), executable)
}

/** Under which terms Node comes. */
export async function licenceOfNode(): Promise<string> {
  // The package by which npm brought this machine's own has none with it.
  const other = (Object.keys(platforms) as Platform[]).find((platform) => !isOwn(platform)) ?? 'linux-arm64'
  return readFile(join(await packageOf(other, ['LICENSE']), 'LICENSE'), 'utf8')
}

/** The package of npm that holds Node for a platform, unpacked. */
async function packageOf(platform: Platform | OtherPlatform, wanted: readonly string[]): Promise<string> {
  const name = `node-${platform}@${nodeVersion}`
  const folder = join(projectFolder, 'node_modules/.cache/backhaul', name)
  const found = await Promise.all(
    wanted.map((file) =>
      access(join(folder, file)).then(
        () => true,
        () => false,
      ),
    ),
  )
  if (!found.includes(false)) return folder
  await mkdir(folder, { recursive: true })
  const { stdout } = await run('npm', ['pack', name, '--json', '--pack-destination', folder])
  const [packed] = JSON.parse(stdout) as { filename: string }[]
  const archive = join(folder, packed?.filename ?? '')
  await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', ...wanted.map((file) => `package/${file}`)])
  await rm(archive)
  for (const file of wanted) await chmod(join(folder, file), 0o755)
  return folder
}
