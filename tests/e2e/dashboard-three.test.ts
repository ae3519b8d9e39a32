import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { needsBrowser, openBrowser, screenshot, type OpenBrowser, type Tab } from '../helpers/browser.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { describeWith } from '../helpers/needs.ts'
import { startSite, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
const ids = ['shop_lisbon', 'shop_oslo', 'shop_vienna']
/** Some of it, and not all. */
const part = /^[1-9]\d? % of \d+\.0 MiB$/

const row = ({ page }: Tab, ...texts: string[]) =>
  texts.reduce((rows, hasText) => rows.filter({ hasText }), page.getByRole('row'))

/** Fetches the file by the link of the page that is shown. @returns its digest */
async function downloaded({ page }: Tab): Promise<string> {
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download the file' }).click()
  return sha256Of(await readFile(await (await download).path()))
}

async function fill({ page }: Tab, path: string, note = ''): Promise<void> {
  await page.getByLabel('Path at the client').fill(path)
  await page.locator('.ask').getByLabel('Note').fill(note)
  const button = page.getByRole('button', { name: 'Ask', exact: true })
  await screenshot(page, 'ask', button)
  await button.click()
}

describeWith(needsBrowser, 'the dashboard with three agents', () => {
  let stack: Stack
  let browser: OpenBrowser
  let sites: Site[]

  beforeAll(async () => {
    stack = await startStack()
    browser = await openBrowser(stack.url)
    sites = await Promise.all(
      ids.map((id, n) => startSite(stack, id, ['--label', `region=${n < 1 ? 'south' : 'north'}`])),
    )
    await Promise.all(sites.map(({ root }) => mkdir(join(root, 'reports'))))
  })
  afterEach(() => browser.closeTabs())
  afterAll(async () => {
    await browser?.close()
    await Promise.all(sites?.map(({ proxy }) => proxy.close()) ?? [])
    await stack.stop()
  })

  /** Gives every site a file of its own under the same name. @returns their digests, by client */
  async function writeAll(path: string, sizes: readonly number[]): Promise<Map<string, string>> {
    const digests = sites.map(async ({ id, root }, n) => [id, await writeRandom(join(root, path), sizes[n] ?? MiB)])
    return new Map((await Promise.all(digests)) as [string, string][])
  }

  const slow = (...rates: readonly number[]): void => sites.forEach(({ proxy }, n) => proxy.slow(rates[n] ?? Infinity))

  test('a file of each is asked for at once, watched, and downloaded as it is at its site', async () => {
    const path = 'reports/sales-2026-11.db'
    const digests = await writeAll(path, [32 * MiB, 40 * MiB, 64 * MiB])
    const tab = await browser.open('/', { width: 1080 })
    const { page } = tab
    await page.getByText('Live', { exact: true }).waitFor()
    await page.getByText('Ask for a file').click()
    // A part comes at once, and the rest takes its time: a minute at most is enough to look at all three.
    sites.forEach(({ proxy }, n) => proxy.allow([8 * MiB, 15 * MiB, 28 * MiB][n]!))
    await page.getByRole('combobox', { name: 'Client' }).fill(ids.join(', '))
    await fill(tab, path, 'books of November')
    await page.getByText('Asked 3 of them.').waitFor()
    await page.getByRole('link', { name: 'Look at all of it' }).click()
    await page.getByLabel('Asked for at once').waitFor()
    await row(tab, path, ids[2]!).waitFor()
    expect(await page.getByRole('row').count()).toBe(4)
    await page.goto('/')
    for (const { proxy } of sites) {
      await proxy.held()
      proxy.slow(MiB / 4)
      proxy.allow(Infinity)
    }
    // What is seen from now on has no part of what came at once.
    await page.reload()
    const rows = ids.map((id) => row(tab, path, id))
    for (const one of rows) await one.locator('.amount', { hasText: part }).waitFor()
    for (const one of rows) await one.getByText(/iB\/s, .* left$/).waitFor()
    await page.getByRole('link', { name: /^3 transferring$/ }).waitFor()
    await screenshot(page, 'downloads-running', page.getByRole('table'))
    for (const [n, id] of ids.entries()) {
      await page.goto('/')
      await rows[n]!.getByRole('link', { name: path }).click()
      await page.locator('.amount', { hasText: part }).waitFor()
      await page
        .getByRole('img', {
          name: /^[1-9].* of (?:32|40|64)\.0 MiB are there, in \d+ ranges?; [1-9]\d* chunks? under way/,
        })
        .waitFor()
      expect(await page.locator('svg.map rect.received').count()).toBeGreaterThan(0)
      if (n === 1) await screenshot(page, 'download-map', page.locator('.legend'))
      sites[n]!.proxy.slow(Infinity)
      await page.getByText(digests.get(id)!).waitFor()
      expect(await downloaded(tab)).toBe(digests.get(id))
    }
    await page.getByRole('link', { name: 'Clients' }).click()
    await page.getByRole('cell', { name: 'region=south' }).waitFor()
    // What they share are folders of this machine.
    await screenshot(page, 'clients', page.getByRole('table'), page.getByRole('columnheader', { name: 'Shares' }))
    expect(tab.faults()).toEqual([])
  })

  test('one of them is asked by itself, and those of a label together, once that is confirmed', async () => {
    const path = 'reports/today.csv'
    const digests = await writeAll(path, [1000, 1001, 1002])
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Client' }).fill(ids[0]!)
    await fill(tab, path)
    await page.getByRole('link', { name: 'Look at it' }).click()
    await page.getByText(digests.get(ids[0]!)!).waitFor()
    expect(await downloaded(tab)).toBe(digests.get(ids[0]!))

    await page.goto('/')
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Whom' }).selectOption('All clients')
    await page.getByLabel('With these labels').fill('region')
    await fill(tab, path, 'of the north')
    // A label without a value is none, which the browser says itself.
    await page.locator('[name=labels]:invalid').waitFor()
    await page.getByLabel('With these labels').fill('region=north')
    await fill(tab, path, 'of the north')
    await page.getByText('Asked 2 of them.').waitFor()
    expect(await page.getByRole('combobox', { name: 'Client' }).inputValue()).toBe('')
    await page.getByRole('link', { name: 'Look at all of it' }).click()
    for (const id of ids.slice(1)) {
      await page.getByRole('row', { name: id }).getByText('Completed').waitFor()
    }
    expect(await page.getByRole('row').count()).toBe(3)
    expect(tab.faults()).toEqual(['a dialog: Ask every known client with region=north for this file?'])
  })

  test('several are suggested one after another', async () => {
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Client' }).pressSequentially('shop_lisbon, osl')
    await page.locator('datalist option[value="shop_lisbon, shop_oslo"]').waitFor({ state: 'attached' })
    expect(tab.faults()).toEqual([])
  })

  test('live regions say nothing of progress, and the focus stays while it goes on', async () => {
    const path = 'reports/archive.tar'
    await writeAll(path, [32 * MiB, 32 * MiB, 32 * MiB])
    slow(MiB / 2)
    for (const clientId of ids) await stack.ask({ clientId, path })
    const tab = await browser.open('/')
    const { page } = tab
    const last = row(tab, path, ids[2]!)
    await last.locator('.amount', { hasText: part }).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    await page.evaluate(`{
      globalThis.told = []
      const seen = (changes) => told.push(...changes.map(({ target }) => target.textContent))
      for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]'))
        new MutationObserver(seen).observe(region, { childList: true, characterData: true, subtree: true })
    }`)
    const link = last.getByRole('link', { name: path })
    await link.focus()
    const before = await last.locator('.amount').textContent()
    await last
      .locator('.amount')
      .filter({ hasNotText: String(before) })
      .waitFor()
    slow(Infinity)
    await last.getByText('Completed').waitFor()
    expect(await link.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true)
    expect(await page.evaluate('told')).toEqual([])
    expect(tab.faults()).toEqual([])
  })

  test('a phone in the dark shows each download as a card; what has ended is counted no more', async () => {
    const path = 'reports/stock.db'
    await writeAll(path, [4 * MiB, 4 * MiB, 4 * MiB])
    await stack.ask({ clientIds: ids, path })
    const tab = await browser.open('/', { phone: true, dark: true })
    const first = row(tab, path, ids[2]!)
    for (const id of ids) await row(tab, path, id).getByText('Completed').waitFor()
    expect(await tab.page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    const box = await first.boundingBox()
    for (const cell of await first.getByRole('cell').all()) {
      const { x = 0, width = 0 } = (await cell.boundingBox()) ?? {}
      expect(x + width).toBeLessThanOrEqual((box?.x ?? 0) + (box?.width ?? 0))
    }
    await screenshot(tab.page, 'phone')
    await tab.page.getByRole('link', { name: /^0 transferring$/ }).waitFor()
    expect(tab.faults()).toEqual([])
  })
})
