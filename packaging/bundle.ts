import { build } from 'esbuild'
import { projectFolder } from './project.ts'

/**
 * One script of a program and all that it imports, as single executables take it: CommonJS.
 * @param entry of the project's folder
 * @throws what esbuild has to say
 */
export async function bundle(entry: string): Promise<string> {
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
  })
  return outputFiles[0]?.text ?? ''
}
