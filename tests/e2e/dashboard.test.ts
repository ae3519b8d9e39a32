import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { needsBrowser, openBrowser, screenshot, type OpenBrowser, type Tab } from '../helpers/browser.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { describeWith } from '../helpers/needs.ts'
import { startSite, type Site } from '../helpers/site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024

/** `Live` is said before anybody is known; the counts come with the first whole look. */
async function isLoaded(page: Tab['page']): Promise<void> {
  await page.getByText('Live', { exact: true }).waitFor()
  await page.getByRole('link', { name: /^\d+ transferring$/ }).waitFor()
}

describeWith(needsBrowser, 'the dashboard', () => {
  let stack: Stack
  let browser: OpenBrowser
  let site: Site

  beforeAll(async () => {
    stack = await startStack()
    browser = await openBrowser(stack.url)
    site = await startSite(stack, 'shop_1')
  })
  afterEach(() => browser.closeTabs())
  afterAll(async () => {
    await browser?.close()
    await site?.proxy.close()
    await stack.stop()
  })

  /** Asks for a file as somebody at the page does. */
  async function ask({ page }: Tab, path: string): Promise<void> {
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Client' }).fill(site.id)
    await page.getByLabel('Path at the client').fill(path)
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByRole('link', { name: 'Look at it' }).waitFor()
  }

  test('a file is asked for, watched, completed, and downloaded as it was', async () => {
    const file = join(site.root, 'report.bin')
    const sha256 = await writeRandom(file, 32 * MiB)
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('There are none').waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    site.proxy.slow(2 * MiB)
    await ask(tab, file)
    const row = page.getByRole('row', { name: 'report.bin' })
    await row.getByText('Transferring').waitFor()
    await row.getByText(/MiB\/s, .* left$/).waitFor()
    await screenshot(page, 'downloads')
    await page.getByRole('link', { name: 'Look at it' }).click()
    await page.getByRole('heading', { name: 'Download', level: 1 }).waitFor()
    await page.locator('.amount', { hasText: /[1-9]\d? % of 32.0 MiB/ }).waitFor()
    await page
      .getByRole('img', { name: /^[1-9].* of 32\.0 MiB are there, in \d+ ranges?; [1-9]\d* chunks? under way/ })
      .waitFor()
    await page.getByText(/^durable: [1-9]/).waitFor()
    await screenshot(page, 'download')
    site.proxy.slow(Infinity)
    await page.getByText(sha256).waitFor()
    await page.getByRole('listitem').filter({ hasText: 'Completed' }).waitFor()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the file' }).click(),
    ])
    expect(sha256Of(await readFile(await download.path()))).toBe(sha256)
    await page.getByRole('button', { name: 'Remove the file' }).click()
    await page.getByText('The file was removed.', { exact: true }).first().waitFor()
    await page.getByRole('link', { name: 'Download the file' }).waitFor({ state: 'detached' })
    expect(tab.faults()).toEqual(['a dialog: Remove the file from the server?'])
  })

  test('one that runs is cancelled, and one that failed is asked for again', async () => {
    const file = join(site.root, 'later.bin')
    const failed = await stack.ask({ clientId: site.id, path: file })
    await stack.reached(failed['id'], 'failed')
    const tab = await browser.open(`/#/downloads/${failed['id']}`)
    const { page } = tab
    await page.getByText('not-found').first().waitFor()
    await writeRandom(file, 8 * MiB)
    site.proxy.slow(MiB / 4)
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByText('Queued again.').waitFor()
    await page.locator('p .status', { hasText: 'Transferring' }).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.locator('p .status', { hasText: 'Cancelled' }).waitFor()
    expect((await stack.get(`/downloads/${failed['id']}`))['status']).toBe('cancelled')
    site.proxy.slow(Infinity)
    expect(tab.faults()).toEqual([])
  })

  test('what is refused is said, and nothing that was typed is lost', async () => {
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Client' }).fill('nobody')
    await page.locator('.ask').getByLabel('Note').fill('for Ann')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page
      .getByText(/nobody/)
      .first()
      .waitFor()
    expect(await page.getByRole('combobox', { name: 'Client' }).inputValue()).toBe('nobody')
    // The browser itself says of each refusal that it was one.
    expect(tab.faults().every((fault) => fault.includes('404'))).toBe(true)
  })

  test('the server stops and starts: the page says so, keeps what was typed, and goes on', async () => {
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('Live', { exact: true }).waitFor()
    await page.getByText('Ask for a file').click()
    await page.getByLabel('Path at the client').fill('/half/typed')
    await stack.server.kill('SIGTERM')
    await page.getByText('The server does not answer').waitFor()
    await stack.restart()
    await page.getByText('Live', { exact: true }).waitFor()
    expect(await page.getByLabel('Path at the client').inputValue()).toBe('/half/typed')
    const file = join(site.root, 'after.bin')
    await writeRandom(file, 1000)
    const { id } = await stack.ask({ clientId: site.id, path: file })
    await page.getByRole('row', { name: 'after.bin' }).getByText('Completed').waitFor()
    expect((await stack.get(`/downloads/${id}`))['status']).toBe('completed')
  })

  test('what the server cannot answer now is asked for again', async () => {
    const tab = await browser.open('/')
    const { page } = tab
    await isLoaded(page)
    // Behind its back: calls of the list fail as long as this lasts.
    await stack.execute('ALTER TABLE downloads RENAME TO elsewhere')
    try {
      await page.getByRole('combobox', { name: 'Status' }).selectOption('Completed')
      await page.getByRole('button', { name: 'Filter' }).click()
      await page.getByRole('alert').waitFor()
      await page.getByText('Live', { exact: true }).waitFor()
    } finally {
      await stack.execute('ALTER TABLE elsewhere RENAME TO downloads')
    }
    await page.getByRole('row', { name: 'after.bin' }).waitFor()
    await page.getByRole('alert').waitFor({ state: 'detached' })
  })

  test('a page that nobody sees asks nothing, and has all that happened meanwhile when it is seen', async () => {
    const tab = await browser.open('/')
    const { page } = tab
    await isLoaded(page)
    const isHidden = (hidden: boolean): Promise<void> =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} });
        document.dispatchEvent(new Event('visibilitychange'))`)
    await isHidden(true)
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    const file = join(site.root, 'unseen.bin')
    await writeRandom(file, 4 * MiB)
    site.proxy.slow(2 * MiB)
    const { id } = await stack.ask({ clientId: site.id, path: file })
    await stack.reached(id, 'completed')
    site.proxy.slow(Infinity)
    expect(asked).toEqual([])
    expect(await page.getByRole('row', { name: 'unseen.bin' }).count()).toBe(0)
    await isHidden(false)
    await page.getByRole('row', { name: 'unseen.bin' }).getByText('Completed').waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    expect(tab.faults()).toEqual([])
  })

  test('a hostile name is text', async () => {
    const name = `<img src=x onerror=alert(1)>"'\u202etxt.exe\u0007\n<script>alert(2)</script>`.replaceAll(
      '/',
      '\u2215',
    )
    const file = join(site.root, name)
    await writeFile(file, 'harmless')
    const { id } = await stack.ask({ clientId: site.id, path: file, note: '<b>{{note}}</b>' })
    await stack.reached(id, 'completed')
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('<b>{{note}}</b>').waitFor()
    const link = page.locator(`a[href="#/downloads/${id}"]`)
    const shown = String(await link.textContent())
    expect(shown).toContain('<img src=x onerror=alert(1)>')
    expect(shown).toContain('\ufffdtxt.exe\u2407\u240a<script>')
    expect(await page.locator('main img, main script').count()).toBe(0)
    await link.click()
    await page.getByRole('heading', { name: 'Facts' }).waitFor()
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(tab.faults()).toEqual([])
  })
})
