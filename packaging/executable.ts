import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isOwn, nodeFor, type OtherPlatform, type Platform } from './platforms.ts'
import { projectFolder } from './project.ts'

const run = promisify(execFile)

/** Node looks for it (its documentation, Single executable applications). */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

export interface Program {
  /** The script that it runs, CommonJS. */
  main: string
  /** The texts that it carries, by their names: the sources of its threads, and what shared/assets.ts reads. */
  assets: Record<string, string>
  /** Node's own options. */
  nodeOptions: readonly string[]
}

/**
 * Makes a single executable: Node, and the program in it.
 * @param to the file; it is there as a whole, or as it was
 */
export async function makeExecutable(program: Program, platform: Platform | OtherPlatform, to: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-build-'))
  const within = (name: string): string => join(folder, name)
  try {
    await writeFile(within('main.cjs'), program.main)
    const assets: Record<string, string> = {}
    for (const [name, text] of Object.entries(program.assets)) {
      assets[name] = within(name)
      await writeFile(within(name), text)
    }
    const config = {
      main: within('main.cjs'),
      output: within('blob'),
      disableExperimentalSEAWarning: true,
      // Compiled code is for one kind of processor.
      useCodeCache: isOwn(platform),
      execArgv: program.nodeOptions,
      execArgvExtension: 'none',
      assets,
    }
    await writeFile(within('config.json'), JSON.stringify(config))
    // With the same options: V8 takes compiled code only from one that runs as it does itself.
    await run(process.execPath, [...program.nodeOptions, '--experimental-sea-config', within('config.json')])
    await copyFile(await nodeFor(platform), within('executable'))
    await chmod(within('executable'), 0o755)
    // What it says of sections without a name is meant for others, and shown if it fails.
    const postject = join(projectFolder, 'node_modules/.bin/postject')
    await run(postject, [within('executable'), 'NODE_SEA_BLOB', within('blob'), '--sentinel-fuse', FUSE])
    await copyFile(within('executable'), `${to}.part`)
    await rename(`${to}.part`, to)
  } finally {
    await rm(folder, { recursive: true })
  }
}
