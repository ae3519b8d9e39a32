import { build, type Plugin } from 'esbuild'
import { projectFolder } from './project.ts'

/**
 * One script of a program and all that it imports, as single executables take it: CommonJS.
 * @param entry of the project's folder
 * @param version what it says that it is; by default that of the project
 * @throws what esbuild has to say
 */
export async function bundle(entry: string, version?: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: projectFolder,
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    // There are no files: what asks for one gets its name, and shared/assets.ts knows the name.
    define: { 'import.meta.url': JSON.stringify(`file:///${entry}`) },
    logLevel: 'warning',
    plugins: version === undefined ? [] : [stamp(version)],
  })
  return outputFiles[0]?.text ?? ''
}

/**
 * One module that browsers run, and all that it imports.
 * @param entry of the project's folder
 * @throws what esbuild has to say
 */
export async function bundleForBrowsers(entry: string): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: projectFolder,
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
    minifyWhitespace: true,
    minifySyntax: true,
    // Whose work is in it is told beside the executable.
    legalComments: 'none',
    logLevel: 'warning',
  })
  return outputFiles[0]?.text ?? ''
}

/** Puts another version in the place of shared/version.ts. */
function stamp(version: string): Plugin {
  const contents = `export const version = ${JSON.stringify(version)}`
  return {
    name: 'version',
    setup: ({ onLoad }) => onLoad({ filter: /[\\/]shared[\\/]version\.ts$/ }, () => ({ contents, loader: 'ts' })),
  }
}
