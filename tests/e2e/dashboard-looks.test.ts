import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { axeFindings, axeScript } from '../helpers/axe.ts'
import { inlineOf, needsBrowser, openBrowser, screenshot, screens, type OpenBrowser } from '../helpers/browser.ts'
import { writeRandom } from '../helpers/folder.ts'
import { describeWith } from '../helpers/needs.ts'
import { startSite, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024

describeWith(needsBrowser, 'how the dashboard looks', () => {
  let stack: Stack
  let browser: OpenBrowser
  let site: Site
  let running: string
  let failed: string

  beforeAll(async () => {
    stack = await startStack()
    browser = await openBrowser(stack.url)
    site = await startSite(stack, 'shop_1')
    const file = join(site.root, 'sales 2026-11.db')
    await writeRandom(file, 16 * MiB)
    failed = (await stack.ask({ clientId: site.id, path: join(site.root, 'absent.db'), note: 'for Ann' }))['id']
    await stack.reached(failed, 'failed')
    site.proxy.slow(MiB / 8)
    running = (await stack.ask({ clientId: site.id, path: file }))['id']
    await stack.reached(running, 'transferring')
  })
  afterEach(() => browser.closeTabs())
  afterAll(async () => {
    await browser?.close()
    site?.proxy.slow(Infinity)
    await site?.proxy.close()
    await stack.stop()
  })

  const views = (): [name: string, path: string, shows: string][] => [
    ['downloads', '/', 'sales 2026-11.db'],
    ['a page of nothing', '/#/?note=none', 'There are none'],
    ['a running download', `/#/downloads/${running}`, 'Facts'],
    ['a failed download', `/#/downloads/${failed}`, 'not-found'],
    ['an unknown download', '/#/downloads/00000000-0000-4000-8000-000000000000', 'no download'],
    ['clients', '/#/clients', 'shop_1'],
    ['a client', '/#/clients/shop_1', 'sales 2026-11.db'],
    ['audit', '/#/audit', 'POST /downloads'],
    ['an unknown address', '/#/nowhere', 'This address leads nowhere'],
    ['the API', '/docs', 'Idempotency-Key'],
  ]

  test.each(screens)(
    '%s: axe finds nothing in any view, and nothing is inline',
    async (name, options) => {
      const tab = await browser.open('/', { ...options, script: axeScript() })
      for (const [view, path, shows] of views()) {
        await tab.page.goto(path)
        await tab.page.locator('main').getByText(shows).first().waitFor()
        await screenshot(tab.page, `${view}, ${name}`)
        expect({ view, findings: await axeFindings(tab.page) }).toEqual({ view, findings: [] })
        expect({ view, inline: await inlineOf(tab.page) }).toEqual({ view, inline: [] })
      }
      await tab.page.goto('/')
      await tab.page.getByText('Ask for a file').click()
      expect(await axeFindings(tab.page)).toEqual([])
      expect(await inlineOf(tab.page)).toEqual([])
      // The browser itself says of the unknown download that it is not there.
      expect(tab.faults().filter((fault) => !fault.includes('404'))).toEqual([])
    },
    240_000,
  )

  test('a phone shows no page that is wider than itself', async () => {
    const { page } = await browser.open('/', { phone: true })
    for (const [view, path, shows] of views()) {
      await page.goto(path)
      await page.locator('main').getByText(shows).first().waitFor()
      const width = await page.evaluate<number>('document.documentElement.scrollWidth')
      expect({ view, width }).toEqual({ view, width: 390 })
    }
  })
})
