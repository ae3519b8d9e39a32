import { html, type Html, type Part } from './html.ts'

/**
 * A whole page. It runs no script, and has nothing from another host: see the policy in http/pages.ts.
 * @param contents links to what is in it
 */
export function page({ title, contents, main }: { title: string; contents: Part; main: Part }): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/backhaul.svg" />
        <link rel="stylesheet" href="/assets/backhaul.css" />
      </head>
      <body>
        <a class="skip" href="#main">To the text</a>
        <header><a href="/docs">Backhaul</a></header>
        <div class="columns">
          <nav aria-label="Contents">${contents}</nav>
          <main id="main">${main}</main>
        </div>
      </body>
    </html> `
}
