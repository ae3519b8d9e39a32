import { judge, table, type Verdict } from '../report.ts'
import { median } from '../statistics.ts'
import type { Load, Loads } from './load.ts'
import type { Opened, Openings } from './opening.ts'
import { titles, type StoreName } from './stores.ts'

/** What was found with one kind of stores. */
export interface Found {
  name: StoreName
  openings: Openings[]
  loads: Loads[]
}

/** In ms. */
const USABLE_WITHIN = 1_000
/** Per cent of a core. */
const COST = 1

export function tablesOf(found: readonly Found[], about: { pages: number; pace: number }): string[] {
  return found.length === 0 ? [] : [openingsTable(found), loadsTable(found, about)]
}

/** The slowest view, and the page that costs most, each as it mostly was. */
export function verdictsOf({ name, openings, loads }: Found): Verdict[] {
  const slowest = Math.max(...openings.flatMap(({ times }) => kinds.map((kind) => median(timesOf(times, kind)))))
  const costs = pacesOf(loads).flatMap((pace) => [0, 1].map((index) => added(loads, pace, index, 'server')))
  return [
    judge(`${titles[name]}: until the slowest view can be used, median`, slowest, 'at most', USABLE_WITHIN, 'ms'),
    judge(`${titles[name]}: what one page adds, the most`, Math.max(...costs), 'at most', COST, '% of a core'),
  ]
}

const kinds = ['fresh', 'within'] as const
const timesOf = (times: readonly Opened[], kind: keyof Opened): number[] => times.map((each) => each[kind])

function openingsTable(found: readonly Found[]): string {
  const heads = found.flatMap(({ name }) => [`${titles[name]}: new, median`, 'worst', 'within, median', 'worst'])
  const views = found[0]?.openings ?? []
  const rows = views.map(({ view }, index) => [
    view,
    ...found.flatMap(({ openings }) =>
      kinds.flatMap((kind) => {
        const times = timesOf(openings[index]!.times, kind)
        return [median(times), Math.max(...times)].map((ms) => ms.toFixed(0))
      }),
    ),
  ])
  return table(['ms', ...heads], rows)
}

function loadsTable(found: readonly Found[], { pages, pace }: { pages: number; pace: number }): string {
  const heads = ['% of a core', 'no page', 'the downloads add', 'the clients add', `${pages} × the downloads add`]
  const words = (each: number): string => (each === 0 ? 'nothing happens' : `${pace} downloads a second`)
  const rows = found.flatMap(({ name, loads }) => {
    const row = (title: string, each: number, of: keyof Load): string[] => [
      `${title}, ${words(each)}`,
      percent(median(ofPace(loads, each).map(({ alone }) => alone[of]))),
      ...[0, 1, 2].map((index) => added(loads, each, index, of).toFixed(2)),
    ]
    return [
      ...pacesOf(loads).map((each) => row(titles[name], each, 'server')),
      ...(name === 'shared' ? pacesOf(loads).map((each) => row('of that PostgreSQL’s own', each, 'database')) : []),
    ]
  })
  return table(heads, rows)
}

const pacesOf = (loads: readonly Loads[]): number[] => [...new Set(loads.map(({ pace }) => pace))]
const ofPace = (loads: readonly Loads[], pace: number): Loads[] => loads.filter((each) => each.pace === pace)
const percent = (cores: number): string => (cores * 100).toFixed(2)

/** Per cent of a core that pages cost beside none in the same round. @param index of `opened` */
function added(loads: readonly Loads[], pace: number, index: number, of: keyof Load): number {
  return median(ofPace(loads, pace).map(({ alone, with: open }) => (open[index]![of] - alone[of]) * 100))
}
