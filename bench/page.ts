import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { drawPicture } from './picture.ts'
import { bodyOf, type Report } from './report.ts'

/** A report with how it came about. */
export interface Section {
  report: Report
  /** `npm run bench -- loopback`. */
  command: string
  /** Where, when and on what. */
  footer: string
}

/** A section as Markdown. @param picture where its picture lies, as seen from the page */
export function markdownOf({ report, command, footer }: Section, picture?: string): string {
  const image = picture === undefined ? [] : [`![${report.title}](${picture})`]
  return [`## ${report.title}`, `\`${command}\``, ...image, bodyOf(report), footer].join('\n\n')
}

/**
 * Writes sections into a page, each between its marks (`<!-- loopback -->`); new ones go to the end. The text around
 * them stays. Pictures go into a folder beside the page: `PERFORMANCE.md` has them in `performance/`.
 */
export async function writePage(page: string, sections: readonly Section[]): Promise<void> {
  const pictures = basename(page).replace(/\.md$/, '').toLowerCase()
  let text = await readFile(page, 'utf8').catch(() => '')
  for (const section of sections) {
    const { name, panels } = section.report
    const picture = panels.length > 0 ? `${pictures}/${name}.svg` : undefined
    if (picture) {
      await mkdir(join(dirname(page), pictures), { recursive: true })
      await writeFile(join(dirname(page), picture), drawPicture(panels))
    }
    text = spliced(text, name, markdownOf(section, picture))
  }
  await writeFile(page, text)
}

/** The text with what lies between the marks of this name replaced. */
export function spliced(text: string, name: string, section: string): string {
  const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const marked = `${from}\n\n${section}\n\n${to}`
  const [start, end] = [text.indexOf(from), text.indexOf(to)]
  if (start < 0 || end < start) return `${text.trimEnd()}\n\n${marked}\n`.trimStart()
  return text.slice(0, start) + marked + text.slice(end + to.length)
}
