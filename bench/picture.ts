/** Bars under one heading, on one scale. */
export interface Panel {
  title: string
  bars: Bar[]
  /** What is aimed at: a line across the bars. */
  bound?: number
}

export interface Bar {
  label: string
  value: number
  /** What is written beside it. */
  text: string
  /** Backhaul's. */
  ours?: boolean
}

const width = 720
const left = 110
const right = 90
const barHeight = 18
const pitch = 26
const heading = 34

/** An SVG that is readable on light and dark pages alike. */
export function drawPicture(panels: readonly Panel[]): string {
  let top = 8
  const parts: string[] = []
  for (const panel of panels) {
    parts.push(`<g transform="translate(0 ${top})">\n${drawPanel(panel)}\n</g>`)
    top += heightOf(panel) + 16
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" role="img">
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .bar { fill: #8c959f }
  .ours { fill: #1a7f37 }
  .bound { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 5 3 }
  .small { font-size: 11px; fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .bar { fill: #6e7681 }
    .ours { fill: #3fb950 }
    .bound { stroke: #ff7b72 }
    .small { fill: #ff7b72 }
  }
</style>
${parts.join('\n')}
</svg>
`
}

const heightOf = ({ bars, bound }: Panel): number => heading + bars.length * pitch + (bound === undefined ? 0 : 14)

function drawPanel({ title, bars, bound }: Panel): string {
  const largest = Math.max(...bars.map(({ value }) => value), bound ?? 0)
  const x = (value: number): number => left + Math.round((value / largest) * (width - left - right))
  const drawn = bars.map(({ label, value, text, ours }, index) => {
    const y = heading + index * pitch
    const base = y + 13
    return [
      `<text x="${left - 8}" y="${base}" text-anchor="end">${escaped(label)}</text>`,
      `<rect x="${left}" y="${y}" width="${x(value) - left}" height="${barHeight}" rx="2" class="${ours ? 'ours' : 'bar'}"/>`,
      // In a column of their own, clear of the line.
      `<text x="${width - 4}" y="${base}" text-anchor="end">${escaped(text)}</text>`,
    ].join('\n')
  })
  const lines = bound === undefined ? [] : [drawBound(x(bound), bound, heading + bars.length * pitch)]
  return [`<text x="0" y="16" class="title">${escaped(title)}</text>`, ...drawn, ...lines].join('\n')
}

const drawBound = (x: number, bound: number, bottom: number): string =>
  `<line x1="${x}" x2="${x}" y1="${heading - 6}" y2="${bottom}" class="bound"/>
<text x="${x}" y="${bottom + 10}" text-anchor="middle" class="small">wanted ${bound}</text>`

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
