import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { licenceOfNode } from './platforms.ts'
import { nodeVersion, projectFolder } from './project.ts'

/**
 * What must be said of whose work is in an executable: of Node, and of every package of npm that its scripts are bundled of.
 * @param entries of the project's folder
 * @throws Error for a package that does not say its terms
 */
export async function licencesOf(...entries: string[]): Promise<string> {
  const names = await packagesIn(entries)
  const parts = await Promise.all(names.map(licenceOf))
  const node = section(`Node.js ${nodeVersion}`, await licenceOfNode())
  return [
    'Backhaul comes without a licence of its own: whoever gave it to you says what you may do with it.\nIn it is the work of others:\n',
    ...parts,
    node,
  ].join('\n')
}

async function packagesIn(entries: string[]): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: projectFolder,
    entryPoints: entries,
    bundle: true,
    write: false,
    platform: 'node',
    metafile: true,
    outdir: 'out',
    logLevel: 'error',
  })
  const found = Object.keys(metafile.inputs).flatMap((path) => {
    const name = /^(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]
    return name === undefined ? [] : [name]
  })
  return [...new Set(found)].toSorted()
}

async function licenceOf(folder: string): Promise<string> {
  const at = join(projectFolder, folder)
  const about = JSON.parse(await readFile(join(at, 'package.json'), 'utf8')) as Record<string, string>
  const title = `${about['name']} ${about['version']}`
  const file = (await readdir(at)).find((name) => /^(licen[cs]e|copying)/i.test(name))
  if (file !== undefined) return section(title, await readFile(join(at, file), 'utf8'))
  if (about['license'] === undefined) throw new Error(`${title} does not say under which terms it comes`)
  return section(title, about['license'])
}

const section = (title: string, text: string): string => `${'-'.repeat(72)}\n${title}\n\n${text.trim()}\n`
