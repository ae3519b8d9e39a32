import { dashboardStyles } from './assets.ts'
import { html, type Html } from './html.ts'
import { ENTRY } from './modules.ts'
import { wholePage } from './page.ts'

/**
 * The page that the dashboard is drawn into: see app/main.ts.
 * @param modules paths of all its modules, so that none waits until another is read
 */
export function dashboardPage(modules: Iterable<string>): Html {
  return wholePage({
    title: 'Backhaul',
    head: html`${dashboardStyles.map((name) => html`<link rel="stylesheet" href="/assets/${name}" /> `)}
      ${[...modules].map((path) => html`<link rel="modulepreload" href="/assets/${path}" /> `)}
      <script type="module" src="/assets/${ENTRY}"></script>`,
    body: html`<div id="app">
      <noscript
        ><main>
          <h1>Backhaul</h1>
          <p>This page needs JavaScript; the <a href="/docs">API</a> does not.</p>
        </main></noscript
      >
    </div>`,
  })
}
