import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { projectFolder } from './project.ts'

const run = promisify(execFile)

/** A file of a package: its content, or where that lies. */
export interface DebFile {
  /** Absolute, as it is installed. */
  path: string
  /** As in chmod; 0o644 without. */
  mode?: number
  content: string | Buffer | { from: string }
  /** Whether an administrator's changes to it are kept. */
  setting?: boolean
}

export interface Deb {
  name: string
  version: string
  /** As Debian calls it: amd64, arm64. */
  architecture: string
  depends: string
  /** One line. */
  summary: string
  /** Lines of up to 80 characters. */
  description: readonly string[]
  /** Under which terms all of it comes. */
  copyright: string
  files: readonly DebFile[]
  /** What dpkg runs: postinst, prerm, postrm. */
  scripts: Readonly<Record<string, string>>
}

/** What Node is linked with, for `depends`. */
export const linkedWith = 'libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 9)'

/** Whether packages can be made here. */
export async function canMakeDebs(): Promise<boolean> {
  return run('dpkg-deb', ['--version']).then(
    () => true,
    () => false,
  )
}

/**
 * Makes a Debian package; the same content makes the same bytes. Who maintains it is in DEBFULLNAME and DEBEMAIL, as for
 * Debian's own tools, its time in SOURCE_DATE_EPOCH, else that of the last commit.
 * @param to the file; it is there as a whole, or as it was
 */
export async function makeDeb(given: Deb, to: string): Promise<void> {
  // For Debian, 1.0.0-rc.1 is newer than 1.0.0, and 1.0.0~rc.1 is older.
  const deb = { ...given, version: given.version.replaceAll('-', '~') }
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-deb-'))
  try {
    const tree = join(folder, 'tree')
    const seconds = await sourceTime()
    const files = [...deb.files, ...documents(deb, seconds)]
    await makeFolders(tree, files)
    for (const file of files) await place(tree, file)
    await writeControl(tree, deb, files)
    const made = join(folder, 'made.deb')
    const options = ['--root-owner-group', '-Zxz', '-z2', '--build', tree, made]
    await run('dpkg-deb', options, { env: { ...process.env, SOURCE_DATE_EPOCH: String(seconds) } })
    await copyFile(made, `${to}.part`)
    await rename(`${to}.part`, to)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** @returns seconds since the epoch */
async function sourceTime(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined && /^\d+$/.test(given)) return Number(given)
  const commit = await run('git', ['log', '-1', '--format=%ct'], { cwd: projectFolder }).catch(() => undefined)
  if (commit) return Number(commit.stdout)
  return Math.floor((await stat(join(projectFolder, 'package.json'))).mtimeMs / 1000)
}

const maintainer = (): string =>
  `${process.env['DEBFULLNAME'] || 'Backhaul'} <${process.env['DEBEMAIL'] || 'root@localhost'}>`

/** What Debian's policy wants beside the program. */
function documents({ name, version, copyright }: Deb, seconds: number): DebFile[] {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000')
  const changelog = `${name} (${version}) unstable; urgency=medium\n\n  * Backhaul ${version}.\n\n -- ${maintainer()}  ${date}\n`
  return [
    { path: `/usr/share/doc/${name}/copyright`, content: copyright },
    { path: `/usr/share/doc/${name}/changelog.gz`, content: gzipSync(changelog, { level: 9 }) },
  ]
}

/** Every folder as others can read it, whatever the mask of who builds. */
async function makeFolders(tree: string, files: readonly DebFile[]): Promise<void> {
  const folders = new Set(['/', '/DEBIAN'])
  for (const { path } of files) for (let at = dirname(path); at !== '/'; at = dirname(at)) folders.add(at)
  for (const folder of [...folders].toSorted()) {
    await mkdir(join(tree, folder), { recursive: true })
    await chmod(join(tree, folder), 0o755)
  }
}

async function place(tree: string, { path, content, mode = 0o644 }: DebFile): Promise<void> {
  const at = join(tree, path)
  if (typeof content === 'string' || Buffer.isBuffer(content)) await writeFile(at, content)
  else await copyFile(content.from, at)
  await chmod(at, mode)
}

async function writeControl(tree: string, deb: Deb, files: readonly DebFile[]): Promise<void> {
  const control = async (name: string, text: string, mode = 0o644): Promise<void> => {
    await writeFile(join(tree, 'DEBIAN', name), text)
    await chmod(join(tree, 'DEBIAN', name), mode)
  }
  const settings = files.filter(({ setting }) => setting).map(({ path }) => path)
  let kib = 0
  const sums: string[] = []
  for (const { path } of files.toSorted((one, other) => (one.path < other.path ? -1 : 1))) {
    const bytes = await readFile(join(tree, path))
    kib += Math.ceil(bytes.length / 1024)
    if (!settings.includes(path)) sums.push(`${createHash('md5').update(bytes).digest('hex')}  ${path.slice(1)}\n`)
  }
  const { name, version, architecture, depends, summary, description } = deb
  const fields = [
    ['Package', name],
    ['Version', version],
    ['Architecture', architecture],
    ['Maintainer', maintainer()],
    ['Installed-Size', String(kib)],
    ['Depends', depends],
    ['Section', 'net'],
    ['Priority', 'optional'],
    ['Description', [summary, ...description.map((line) => ` ${line || '.'}`)].join('\n')],
  ]
  await control('control', fields.map(([field, value]) => `${field}: ${value}\n`).join(''))
  await control('md5sums', sums.join(''))
  if (settings.length > 0) await control('conffiles', settings.map((path) => `${path}\n`).join(''))
  for (const [script, text] of Object.entries(deb.scripts)) await control(script, text, 0o755)
}
