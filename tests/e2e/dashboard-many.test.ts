import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { needsBrowser, openBrowser, screenshot, type OpenBrowser } from '../helpers/browser.ts'
import { describeWith } from '../helpers/needs.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const CLIENTS = 10_000

describeWith(needsBrowser, 'the dashboard with ten thousand clients', () => {
  let stack: Stack
  let browser: OpenBrowser

  beforeAll(async () => {
    stack = await startStack()
    const rows = Array.from({ length: CLIENTS }, (_, n) => `('site_${String(n).padStart(5, '0')}', 1)`)
    await stack.execute(`INSERT INTO clients (id, last_seen) VALUES ${rows.join(', ')}`)
    browser = await openBrowser(stack.url)
  })
  afterEach(() => browser.closeTabs())
  afterAll(async () => {
    await browser?.close()
    await stack.stop()
  })

  test('they are counted, listed in pages, and found', async () => {
    const tab = await browser.open('/#/clients?status=all')
    const { page } = tab
    await page.getByRole('link', { name: 'site_00000' }).waitFor()
    await page.getByRole('link', { name: /^10,000 known$/ }).waitFor()
    expect(await page.getByRole('row').count()).toBe(51)
    await page.getByRole('link', { name: 'Next page' }).click()
    await page.getByRole('link', { name: 'site_00050' }).waitFor()
    await screenshot(page, 'many clients')
    await page.goBack()
    await page.getByRole('link', { name: 'site_00000' }).waitFor()
    await page.getByLabel('Part of the id').fill('SITE_0987')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'site_09870' }).waitFor()
    expect(await page.getByRole('row').count()).toBe(11)
    expect(tab.faults()).toEqual([])
  })

  test('one of them is suggested to who asks for a file', async () => {
    const tab = await browser.open('/')
    const { page } = tab
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Client' }).pressSequentially('0421')
    await page.locator('datalist option[value="site_00421"]').waitFor({ state: 'attached' })
    expect(tab.faults()).toEqual([])
  })

  test('the keyboard is enough, and what is new moves nobody away', async () => {
    const tab = await browser.open('/#/clients?status=all')
    const { page } = tab
    const link = page.getByRole('link', { name: 'site_00001' })
    await link.focus()
    // Agents that connect are told of, and the list is read again.
    const again = page.waitForResponse((response) => response.url().includes('/clients?'))
    await stack.online('site_00001')
    await again
    await page.getByRole('row', { name: 'site_00001' }).getByText('Online').waitFor()
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('site_00001')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Client site_00001' }).waitFor()
    expect(await page.evaluate<string>('document.activeElement.id')).toBe('main')
    expect(tab.faults()).toEqual([])
  })

  test('the address of one that is none of them says so, and waits for nothing', async () => {
    const { page } = await browser.open('/#/clients/site_99999')
    await page.getByRole('alert').getByText('site_99999').waitFor()
    expect(await page.getByText('Loading').count()).toBe(0)
  })

  test('an answer that takes long keeps nobody from going elsewhere', async () => {
    const { page } = await browser.open('/#/clients?status=all')
    await page.getByRole('link', { name: 'site_00000' }).waitFor()
    const asked = page.waitForRequest('**/downloads?limit=50')
    await page.route('**/downloads?limit=50', () => undefined)
    await page.getByRole('link', { name: 'Downloads' }).click()
    await asked
    await page.getByRole('link', { name: 'Clients' }).click()
    await page.getByLabel('Part of the id').waitFor()
    await page.getByRole('heading', { name: 'Clients', level: 1 }).waitFor()
  })
})
