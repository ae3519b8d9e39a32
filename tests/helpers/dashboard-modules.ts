/**
 * All that the page of the dashboard loads, and what that imports in turn, as a browser would.
 * @param read the text at a path of the server; fails where there is none
 * @returns the texts by their paths
 */
export async function readDashboard(read: (path: string) => Promise<string>): Promise<Map<string, string>> {
  const page = await read('/')
  const texts = new Map([['/', page]])
  const waiting = [...page.matchAll(/ (?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path!)
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (texts.has(path)) continue
    const text = await read(path)
    texts.set(path, text)
    if (/\.[jt]s$/.test(path)) waiting.push(...importsOf(text).map((name) => new URL(name, `http://x${path}`).pathname))
  }
  return texts
}

const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:\bfrom|\bimport) ?["']([^"']+)["']/g)].map(([, name]) => name!)
