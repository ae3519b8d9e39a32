import { describe, expect, test } from '@jest/globals'
import { describeApi } from '../../server/http/openapi.ts'
import { docsPage } from '../../server/web/docs/index.ts'
import { html, joined } from '../../server/web/html.ts'

describe('HTML', () => {
  test('takes what is put into it for text', () => {
    const hostile = `"><script>alert('1')</script>&amp;<!--`
    const { text } = html`<p title="${hostile}">${hostile}</p>`
    const shown = '&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;&lt;!--'
    expect(text).toBe(`<p title="${shown}">${shown}</p>`)
  })

  test('takes what only looks like a piece of it for text, too', () => {
    // As it comes from JSON.
    const forged = JSON.parse('{"text": "<script>"}') as string
    expect(() => html`${forged}`.text).toThrow()
    expect(html`${['<', html`<br />`, undefined, 0]}`.text).toBe('&lt;<br />0')
    expect(html`${joined(['a', html`<b>b</b>`], ' & ')}`.text).toBe('a &amp; <b>b</b>')
  })
})

describe('the page of the API', () => {
  const document = describeApi('1.2.3')
  const { text } = docsPage(document)

  test('shows every operation and every schema, under a name that links lead to', () => {
    for (const { operationId } of Object.values(document.paths).flatMap(Object.values))
      expect(text).toContain(`<section id="${operationId}"`)
    for (const name of Object.keys(document.components.schemas)) expect(text).toContain(`<section id="schema-${name}"`)
    const ids = [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const links = [...text.matchAll(/ href="#([^"]*)"/g)].map(([, id]) => id)
    expect(links.filter((link) => !ids.includes(link))).toEqual([])
  })

  test('has neither script nor style in it, and nothing from another host', () => {
    expect(text).not.toMatch(/<script|<style| style=| on\w+=|javascript:|data:/i)
    const places = [...text.matchAll(/ (?:src|href|action)="([^#"][^"]*)"/g)].map(([, place]) => place)
    expect(new Set(places)).toEqual(new Set(['/assets/backhaul.css', '/assets/backhaul.svg', '/docs', '/openapi.json']))
  })

  test('shows what a description says as text', () => {
    const hostile = structuredClone(document)
    hostile.paths['/health']!['get']!.summary = '<img src=x onerror=alert(1)>'
    hostile.components.schemas['Health']!.properties!['"><script>'] = { type: 'string', description: '</li><script>' }
    const shown = docsPage(hostile).text
    expect(shown).not.toMatch(/<img|<script/)
    expect(shown).toContain('&lt;img src=x onerror=alert(1)&gt;')
  })
})
