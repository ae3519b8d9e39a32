import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from './process.ts'

/** The blocks of one language in a page of the documentation, as its readers copy them. @throws Error when there is none */
export function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(projectFolder, page), 'utf8')
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, block = '']) => block,
  )
  if (blocks.length === 0) throw new Error(`${page} has no block of ${language}`)
  return blocks
}

/**
 * A block with what is another's machine replaced by what is here.
 * @throws Error when it does not say what is to be replaced: the page has changed
 */
export function fitted(block: string, places: Record<string, string>): string {
  let text = block
  for (const [there, here] of Object.entries(places)) {
    if (!text.includes(there)) throw new Error(`there is no ${there} in\n${block}`)
    text = text.replaceAll(there, here)
  }
  return text
}
