import type { OpenBrowser } from '../../tests/helpers/browser.ts'
import type { Surroundings } from './surroundings.ts'
import type { View } from './views.ts'

/** How long until a view can be used, in ms: its rows are drawn, the counts too, and nothing is disabled. */
export interface Opened {
  /** From the navigation of a new browser on, which has nothing of the page yet. */
  fresh: number
  /** From another view of the page on. */
  within: number
}

/** In ms: what is not there by then is not what was expected. */
const PATIENCE = 60_000

/** Looks before each picture that is drawn; the task after one that shows everything is the moment. */
const watching = ({ shows }: View): string => `
  window.usable = () => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(document.body.innerText.slice(0, 500))), ${PATIENCE})
    const look = () => {
      const there = document.querySelector(${JSON.stringify(shows)})
      if (there && document.querySelector('.counts') && !document.querySelector('main :disabled'))
        setTimeout(() => resolve(performance.now()))
      else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
  window.first = window.usable()
  window.first.catch(() => undefined)`

const go = (at: string): string => `
  (async () => {
    const changed = new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }))
    const from = performance.now()
    location.hash = ${JSON.stringify(at)}
    await changed
    return from
  })()`

export interface Openings {
  view: string
  times: Opened[]
}

/** Opens the views in turn, so often. */
export async function measureOpenings(
  { browser, signal, say }: Surroundings,
  views: readonly View[],
  runs: number,
): Promise<Openings[]> {
  const found: Openings[] = views.map(({ name }) => ({ view: name, times: [] }))
  // The first of all finds what the server and the browser make but once.
  for (let run = 0; run <= runs; run += 1) {
    say(`dashboard: views, run ${run} of ${runs}`)
    for (const [index, view] of views.entries()) {
      signal.throwIfAborted()
      const opened = await openView(browser, view)
      if (run > 0) found[index]!.times.push(opened)
    }
  }
  return found
}

/** @throws Error when something is wrong in the page */
async function openView(browser: OpenBrowser, view: View): Promise<Opened> {
  const tab = await browser.open(`/#${view.at}`, { script: watching(view) })
  try {
    const fresh = await tab.page.evaluate<number>('first')
    await tab.page.evaluate(go('/nowhere'))
    const from = await tab.page.evaluate<number>(go(view.at))
    const within = (await tab.page.evaluate<number>('usable()')) - from
    const faults = tab.faults()
    if (faults.length > 0) throw new Error(`${view.name}: ${faults.join('; ')}`)
    return { fresh, within }
  } finally {
    await tab.context.close()
  }
}
