import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import type { Needs } from './lacking.ts'

export const needsBrowser: Needs = { programs: ['chromium'] }

/** In ms: a real browser on a busy machine takes its time. */
const PATIENCE = 30_000
/** Below what a picture ends with, in pixels. */
const MARGIN = 8

/** A page in a browser, with all that went wrong in it. */
export interface Tab {
  page: Page
  context: BrowserContext
  /** What the browser has said is wrong so far: errors, refusals of its policy, dialogs, requests that failed or went to other hosts. */
  faults(): string[]
}

export interface TabOptions {
  dark?: boolean
  phone?: boolean
  /** Of the window, in pixels. */
  width?: number
  /** What runs in the page before all else. */
  script?: string
}

/** Both colour schemes, on both kinds of screen. */
export const screens: readonly [name: string, options: TabOptions][] = [
  ['light', { dark: false }],
  ['dark', { dark: true }],
  ['light, on a phone', { phone: true }],
  ['dark, on a phone', { dark: true, phone: true }],
]

export interface OpenBrowser {
  /** @param path of the server: `/#/clients` */
  open(path: string, options?: TabOptions): Promise<Tab>
  /** Between tests: tabs that nobody looks at still call the server. */
  closeTabs(): Promise<void>
  close(): Promise<void>
}

/**
 * Debian's chromium.
 * @param url of the server: nothing else may be asked for anything
 */
export async function openBrowser(url: string): Promise<OpenBrowser> {
  // Loaded for those that need it: it is large.
  const { chromium } = await import('playwright-core')
  // Its sandbox is not for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const browser: Browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
  return {
    async open(path, { dark = false, phone = false, width = 1280, script } = {}) {
      const context = await browser.newContext({
        baseURL: url,
        colorScheme: dark ? 'dark' : 'light',
        viewport: phone ? { width: 390, height: 844 } : { width, height: 900 },
      })
      context.setDefaultTimeout(PATIENCE)
      if (script !== undefined) await context.addInitScript({ content: script })
      const page = await context.newPage()
      const faults = watch(page, url)
      await page.goto(path)
      return { page, context, faults: () => [...faults] }
    },
    closeTabs: async () => void (await Promise.all(browser.contexts().map((context) => context.close()))),
    close: () => browser.close(),
  }
}

function watch(page: Page, url: string): string[] {
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`)
    void dialog.accept()
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) faults.push(`a request to ${request.url()}`)
  })
  page.on('requestfailed', (request) => {
    // What the page itself gives up, and what becomes a download, ends so.
    const why = request.failure()?.errorText ?? ''
    if (why !== 'net::ERR_ABORTED') faults.push(`${why} of ${request.url()}`)
  })
  return faults
}

/**
 * Saves what is seen where BACKHAUL_SCREENSHOTS says a folder.
 * @param to what the picture ends below; without it, it has the whole window
 * @param before what it ends at the left of
 */
export async function screenshot(page: Page, name: string, to?: Locator, before?: Locator): Promise<void> {
  const folder = process.env['BACKHAUL_SCREENSHOTS']
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  const box = await to?.boundingBox()
  const width = (await before?.boundingBox())?.x ?? page.viewportSize()?.width ?? 0
  const clip = box ? { clip: { x: 0, y: 0, width, height: box.y + box.height + MARGIN } } : {}
  await page.screenshot({ path: join(folder, `${name}.png`), ...clip })
}

/** Scripts and styles that stand in the page itself, a line each: none may, whatever has been drawn into it. */
export function inlineOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`[...document.querySelectorAll('*')].flatMap((element) => [
    ...(element.matches('style, script:not([src]), a[href^="javascript:" i]') ? [element.outerHTML] : []),
    ...element.getAttributeNames().filter((name) => name === 'style' || name.startsWith('on')),
  ])`)
}
