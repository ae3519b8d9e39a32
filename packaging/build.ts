import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compress } from './compress.ts'
import { canMakeDebs } from './deb.ts'
import { makeExecutable, type Program } from './executable.ts'
import { isDebian, isOwn, otherPlatforms, platforms, type OtherPlatform, type Platform } from './platforms.ts'
import { projectFolder, version } from './project.ts'

export interface BuildOptions {
  platforms: (Platform | OtherPlatform)[]
  /** The file of the key that signs. */
  key: string
  /** Where everything goes. */
  folder: string
  /** What it says that it is: the project's version, but for tests of what becomes of the next one. */
  version: string
  /** Whether Debian packages are wanted. */
  deb: boolean
}

/** [--platform linux-x64 --platform linux-arm64] [--key FILE] [--to FOLDER] [--no-deb] [--version X] @param to by default, in the project */
export function buildOptions(to: string): BuildOptions {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string', multiple: true, default: Object.keys(platforms) },
      key: { type: 'string', default: join(homedir(), '.config/backhaul/release.key') },
      to: { type: 'string', default: join(projectFolder, to) },
      deb: { type: 'boolean', default: true },
      version: { type: 'string', default: version },
    },
    allowNegative: true,
  })
  const known: readonly string[] = [...Object.keys(platforms), ...otherPlatforms]
  const unknown = values.platform.find((platform) => !known.includes(platform))
  if (unknown !== undefined) throw new Error(`--platform ${unknown} is not known; there are ${known.join(', ')}`)
  return {
    platforms: values.platform as BuildOptions['platforms'],
    key: values.key,
    folder: values.to,
    version: values.version,
    // Packages have the project's version.
    deb: values.deb && values.version === version,
  }
}

/** A folder to build in, beside what was published before. What is left in it goes when the program ends. */
export async function buildingFolder({ folder }: BuildOptions): Promise<string> {
  await mkdir(folder, { recursive: true })
  const building = await mkdtemp(join(folder, '.building-'))
  process.once('exit', () => rmSync(building, { recursive: true, force: true }))
  return building
}

export const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Of a package: what it is made from, and where it goes. @returns its name there */
export type MakeDeb = (made: { executable: string; platform: Platform; folder: string }) => Promise<string>

/**
 * Makes a program's executables, compressed, and their packages; `NAME` is a link to the one for this machine.
 * @returns the names of what is to be signed
 */
export async function buildProgram(
  name: string,
  { program, makeDeb }: { program: Program; makeDeb: MakeDeb },
  { platforms: wanted, folder, version: release, deb }: BuildOptions,
): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const debs = deb && (await canMakeDebs())
  if (deb && !debs) say('no Debian packages are made: dpkg-deb is not here')
  const made: string[] = []
  for (const platform of wanted) {
    const file = `${name}-${release}-${platform}${isDebian(platform) ? '' : '.exe'}`
    const executable = join(folder, file)
    await makeExecutable(program, platform, executable)
    await compress(executable)
    made.push(`${file}.gz`)
    say(`made ${file}`)
    if (debs && isDebian(platform)) {
      made.push(await makeDeb({ executable, platform, folder }))
      say(`made ${made.at(-1)}`)
    }
    if (!isOwn(platform)) continue
    await rm(join(folder, name), { force: true })
    await symlink(file, join(folder, name))
  }
  return made
}
