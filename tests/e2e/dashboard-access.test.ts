import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { axeFindings, axeScript } from '../helpers/axe.ts'
import { inlineOf, needsBrowser, openBrowser, screens, type OpenBrowser, type Tab } from '../helpers/browser.ts'
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

  test.each(screens)('%s: a token is asked for, tried, and given back', async (_name, options) => {
    const tab = await browser.open('/#/clients', { ...options, script: axeScript() })
    const { page, context } = tab
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect([await axeFindings(page), await inlineOf(page)]).toEqual([[], []])
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

  test('a token that runs out in mid-view ends it with the next click, and the form says why', async () => {
    const made = await stack.post('/tokens', { name: 'for a while', role: 'operator' })
    const tab = await browser.open('/')
    const { page } = tab
    await signIn(tab, String(made.body['secret']))
    await page.getByText('Live', { exact: true }).waitFor()
    await page.getByText('Ask for a file').click()
    await page.getByRole('combobox', { name: 'Client' }).fill('shop_1')
    await stack.execute("UPDATE tokens SET expires_at = 1 WHERE name = 'for a while'")
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.locator('.message', { hasText: 'This sign-in is over' }).waitFor()
    await signIn(tab, ADMIN)
    await page.getByRole('heading', { name: 'Downloads', level: 1 }).waitFor()
  })

  test('all tabs of a browser are of who has signed in last', async () => {
    const made = await stack.post('/tokens', { name: 'first', role: 'reader' })
    const tab = await browser.open('/')
    await signIn(tab, String(made.body['secret']))
    await tab.page.getByText('first (reader)').waitFor()
    const other = await tab.context.newPage()
    await other.goto('/#/clients?status=all')
    await other.getByText('first (reader)').waitFor()
    await other.getByRole('button', { name: 'Sign out' }).click()
    await tab.page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await signIn(tab, ADMIN)
    await other.getByText('ADMIN_TOKEN (admin)').waitFor()
    await other.getByRole('heading', { name: 'Clients', level: 1 }).waitFor()
    await other.getByText('Live', { exact: true }).waitFor()
  })
})
