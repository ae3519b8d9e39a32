import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const projectFolder = fileURLToPath(new URL('..', import.meta.url))

const project = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')) as {
  version: string
  scripts: Record<string, string>
  devDependencies: Record<string, string>
}

export const { version } = project
/** Of Node, as the project pins it. */
export const nodeVersion = project.devDependencies['node'] ?? ''

/** The options of Node itself in a script of package.json: an executable runs as `npm run` does. */
export function nodeOptionsOf(script: string): string[] {
  const words = project.scripts[script]?.split(' ') ?? []
  return words.slice(1, words.indexOf('--import'))
}
