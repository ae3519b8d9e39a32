import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { axeFindings, axeScript } from '../helpers/axe.ts'
import { needsBrowser, openBrowser, type OpenBrowser, type Tab } from '../helpers/browser.ts'
import { describeWith } from '../helpers/needs.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

async function signIn({ page }: Tab, token: string): Promise<void> {
  await page.getByLabel('Token of an operator').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

describeWith(needsBrowser, 'the dashboard where tokens are wanted', () => {
  let stack: Stack
  let browser: OpenBrowser

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
    browser = await openBrowser(stack.url)
    await stack.online('shop_1')
  })
  afterEach(() => browser.closeTabs())
  afterAll(async () => {
    await browser?.close()
    await stack.stop()
  })

  test.each([{ dark: false }, { dark: true }])('a token is asked for, tried, and given back (%o)', async ({ dark }) => {
    const tab = await browser.open('/#/clients', { dark, script: axeScript() })
    const { page, context } = tab
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await axeFindings(page)).toEqual([])
    await signIn(tab, 'bho_wrong')
    await page.locator('.message', { hasText: /token/i }).waitFor()
    await signIn(tab, ADMIN)
    await page.getByRole('link', { name: 'shop_1' }).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Audit' }).click()
    await page.getByRole('cell', { name: 'POST /sign-in' }).first().waitFor()
    expect(await axeFindings(page)).toEqual([])
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await context.cookies()).toEqual([])
    // The browser itself says of the wrong token that it was refused.
    expect(tab.faults().filter((fault) => !fault.includes('401'))).toEqual([])
  })

  test('a reader looks, and is shown nothing that is not for readers', async () => {
    const made = await stack.post('/tokens', { name: 'looks', role: 'reader' })
    const tab = await browser.open('/')
    const { page } = tab
    await signIn(tab, String(made.body['secret']))
    await page.getByRole('heading', { name: 'Downloads', level: 1 }).waitFor()
    await page.getByText('looks (reader)').waitFor()
    expect(await page.getByText('Ask for a file').count()).toBe(0)
    expect(await page.getByRole('link', { name: 'Audit' }).count()).toBe(0)
    // Revoked, it is over at once.
    await fetch(`${stack.url}/tokens/${String(made.body['id'])}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${ADMIN}` },
    })
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })
})
