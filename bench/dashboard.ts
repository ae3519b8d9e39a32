import { join } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { Bench, Part } from './bench.ts'
import { TRAFFIC, measureLoads } from './dashboard/load.ts'
import { measureOpenings } from './dashboard/opening.ts'
import { tablesOf, verdictsOf, type Found } from './dashboard/told.ts'
import { startFilled, storeNames, titles, type StoreName } from './dashboard/stores.ts'
import { viewsOf } from './dashboard/views.ts'
import { clientsFor } from './growth/rows.ts'
import { count } from './options.ts'
import { writeRandomFile } from './source.ts'

interface Options {
  stores: readonly StoreName[]
  downloads: number
  runs: number
  seconds: number
  rounds: number
  pages: number
  pace: number
}

/** In a database of PostgreSQL, with its write-ahead log. */
const BYTES_PER_DOWNLOAD = 4000
/** Of the file that is asked for again and again, in bytes. */
const FILE = 64 * 1024

export const dashboard: Part<Options> = {
  name: 'dashboard',
  description:
    'the page with a million downloads: how soon it can be used, and what it costs the server while it is open',

  declare: (command) =>
    command
      .option('--stores <NAMES>', `only these of ${storeNames.join(', ')}`, chosen, storeNames)
      .option('--downloads <N>', 'downloads in the database; it has one client for each hundred', count, 1_000_000)
      .option('--runs <N>', 'how often each view is opened', count, 10)
      .option('--seconds <N>', 'how long the server is watched each time', count, 60)
      .option('--rounds <N>', 'how often it is watched with each number of pages open', count, 2)
      .option('--pages <N>', 'pages that are open at once, where there are many', count, 10)
      .option('--pace <N>', 'downloads in a second, where something happens', count, 5),

  room: ({ downloads }) => downloads * BYTES_PER_DOWNLOAD,

  async lacks() {
    const { needsBrowser } = await import('../tests/helpers/browser.ts')
    const { lacking } = await import('../tests/helpers/lacking.ts')
    return lacking(needsBrowser).join('; ') || undefined
  },

  async run(bench, options) {
    const { downloads, runs, seconds, rounds, pages, pace } = options
    const lacks = await sharedLacks()
    const stores = options.stores.filter((name) => name === 'sqlite' || lacks === undefined)
    const found: Found[] = []
    for (const name of stores) found.push(await measure(name, bench, options))
    return {
      name: 'dashboard',
      title: 'The dashboard with a million downloads',
      about:
        `A server with ${downloads} downloads of ${clientsFor(downloads)} clients, one of which is online; Chromium on the same machine. ` +
        `Each view ${runs} times: **new**, from the navigation of a browser that has nothing of the page yet, and **within**, from another view of it; ` +
        'until the rows and the counts are drawn and nothing is disabled. Then what the server uses of one core, user and system, ' +
        `for ${seconds} s with no page open before and after, with one and with ${pages}, ${rounds === 1 ? 'once' : `${rounds} times`}: while nothing happens, and while ${pace} files of ${FILE / 1024} KiB a second are asked for and arrive. ` +
        'What is told of pages is what they add.',
      tables: tablesOf(found, { pages, pace }),
      verdicts: found.flatMap(verdictsOf),
      leftOut: stores.length < options.stores.length ? [`${titles.shared} (${lacks})`] : [],
      panels: [],
      runs: found,
    }
  },
}

async function sharedLacks(): Promise<string | undefined> {
  // Loaded for this part alone: the SDK takes its time.
  const { postgresLacking } = await import('../tests/helpers/postgres-server.ts')
  const { s3Lacking } = await import('../tests/helpers/s3.ts')
  return postgresLacking() ?? s3Lacking()
}

async function measure(name: StoreName, { folder, signal, say }: Bench, options: Options): Promise<Found> {
  const { openBrowser } = await import('../tests/helpers/browser.ts')
  const { downloads, runs } = options
  say(`dashboard: ${titles[name]}, ${downloads} downloads`)
  const filled = await startFilled(name, folder, downloads)
  const { server } = filled
  const browser = await openBrowser(server.url)
  const surroundings = { browser, signal, say }
  try {
    const file = join(folder, `${name}.bin`)
    await writeRandomFile(file, FILE)
    await server.agent(TRAFFIC, ['--file', file])
    const views = viewsOf(downloads, await clientIds(server.url))
    const openings = await measureOpenings(surroundings, views, runs)
    const loads = await measureLoads(surroundings, filled, options)
    return { name, openings, loads }
  } finally {
    await browser.close()
    await filled.stop()
  }
}

async function clientIds(url: string): Promise<string[]> {
  const answer = await fetch(`${url}/clients?status=all`)
  const { clients } = (await answer.json()) as { clients: { id: string }[] }
  return clients.map(({ id }) => id)
}

/** `sqlite,shared`. */
function chosen(text: string): readonly StoreName[] {
  return text.split(',').map((given) => {
    const name = storeNames.find((known) => known === given.trim())
    if (name) return name
    throw new InvalidArgumentError(`They are ${storeNames.join(', ')}.`)
  })
}
