import { html, type Html, type Part } from './html.ts'

/** What is around every page. It has nothing from another host, and no script or style in it: see http/pages.ts. */
export function wholePage({ title, head, body }: { title: string; head?: Part; body: Part }): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" type="image/svg+xml" href="/assets/backhaul.svg" />
        <link rel="stylesheet" href="/assets/backhaul.css" />
        ${head}
      </head>
      <body>
        ${body}
      </body>
    </html> `
}

/**
 * A page to read. It runs no script.
 * @param contents links to what is in it
 */
export function page({ title, contents, main }: { title: string; contents: Part; main: Part }): Html {
  return wholePage({
    title,
    body: html`<a class="skip" href="#main">To the text</a>
      <header><a href="/docs">Backhaul</a></header>
      <div class="columns">
        <nav aria-label="Contents">${contents}</nav>
        <main id="main">${main}</main>
      </div>`,
  })
}
