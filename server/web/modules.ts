import { readdirSync, readFileSync } from 'node:fs'
import { findPackageJSON, stripTypeScriptTypes } from 'node:module'
import { sep } from 'node:path'
import { isSea } from 'node:sea'
import { pathToFileURL } from 'node:url'
import { readAsset } from '../../shared/assets.ts'
import { sent, type Sent } from './sent.ts'

/** What the page of the dashboard runs: everything else is imported by it. */
export const ENTRY = 'app/main.ts'
/** Under this name an executable carries all of them as one: packaging/build-server.ts. */
export const BUNDLE = 'dashboard.js'

/** Modules of ours that browsers have in common with the rest. */
const sharedModules = ['format.ts']
/** Modules of lit-html that ours import, and what those import. */
const litModules = ['lit-html.js', 'directive.js', 'directive-helpers.js', 'directives/repeat.js']

/** The modules that browsers run, by their paths below /assets/, and nothing else: no path leads to another file. */
export function readModules(): Map<string, Sent> {
  if (isSea()) return new Map([[ENTRY, script(readAsset(new URL(BUNDLE, import.meta.url)))]])
  const app = new URL('./app/', import.meta.url)
  const shared = new URL('../../shared/', import.meta.url)
  const lit = new URL('.', pathToFileURL(findPackageJSON('lit-html', import.meta.url) ?? ''))
  return new Map([
    ...appModules(app).map((name) => [`app/${name}`, script(ours(new URL(name, app)))] as const),
    ...sharedModules.map((name) => [`shared/${name}`, script(ours(new URL(name, shared)))] as const),
    ...litModules.map((name) => [`lit-html/${name}`, script(theirs(new URL(name, lit)))] as const),
  ])
}

const script = (text: string): Sent => sent('text/javascript; charset=utf-8', text)

function appModules(folder: URL): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replaceAll(sep, '/'))
    .toSorted()
}

/** Browsers know neither types nor packages; nothing else is changed, so that every line is where it was. */
function ours(file: URL): string {
  return quietly(() => stripTypeScriptTypes(readFileSync(file, 'utf8'), { mode: 'strip' }))
    .replace(/(?<=^import .* from ')(?:\.\.\/)+shared\//gm, '/assets/shared/')
    .replace(/(?<=^(?:import|} from) .*')lit-html(?=\/)/gm, '/assets/lit-html')
    .replace(/(?<= from ')lit-html(?=')/g, '/assets/lit-html/lit-html.js')
}

/** Its map of the source is not served. */
const theirs = (file: URL): string => readFileSync(file, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '')

/** Node 24 runs this program by the same means without a word, but calls the function experimental on the console. */
function quietly<T>(run: () => T): T {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return run()
  } finally {
    process.emitWarning = emitWarning
  }
}
