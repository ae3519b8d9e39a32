import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { needsBrowser, openBrowser, type OpenBrowser } from '../helpers/browser.ts'
import { writeRandom } from '../helpers/folder.ts'
import { describeWith } from '../helpers/needs.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

describeWith(needsBrowser, 'the dashboard', () => {
  let stack: Stack
  let browser: OpenBrowser

  beforeAll(async () => {
    stack = await startStack()
    browser = await openBrowser(stack.url)
  })
  afterAll(async () => {
    await browser?.close()
    await stack.stop()
  })

  test('lists downloads, and hears of those that are asked for', async () => {
    const tab = await browser.open('/')
    await tab.page.getByRole('heading', { name: 'Downloads', level: 1 }).waitFor()
    await tab.page.getByText('There are none').waitFor()
    await tab.page.getByText('Live', { exact: true }).waitFor()
    const file = join(stack.folder, 'report.bin')
    await writeRandom(file, 200_000)
    await stack.online('shop_1', ['--root', stack.folder])
    const { id } = await stack.ask({ clientId: 'shop_1', path: file })
    await stack.reached(id, 'completed')
    const row = tab.page.getByRole('row', { name: 'report.bin' })
    await row.getByText('Completed').waitFor()
    expect(await row.getByRole('link', { name: 'shop_1' }).getAttribute('href')).toBe('#/clients/shop_1')
    expect(tab.faults()).toEqual([])
  })
})
