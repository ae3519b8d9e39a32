import { html, svg, type TemplateResult } from 'lit-html'
import type { DownloadMap } from '../../../shared/operator.ts'
import { table, tableRow } from './parts.ts'
import { barsOf, lengthOf, ROW_HEIGHT, ROWS, WIDTH, type Piece } from './ranges-map.ts'
import { bytes, number } from './text.ts'

/** Pieces that are listed; more of them nobody reads. */
const LISTED = 100
const columns = ['First byte', 'Last byte', 'Length', 'What'] as const
/** Units that the bars of what came again are high, at the lower edge of a row. */
const RESENT_HEIGHT = 4

/** Which bytes are there, as a picture and in words. */
export function rangesMap(map: DownloadMap): TemplateResult | undefined {
  const { size, received, receiving, resent } = map
  if (size === null || size === 0) return undefined
  const arrived = receiving
    .filter(({ bytes: count }) => count > 0)
    .map(({ start, bytes: count }) => ({ start, end: start + count }))
  return html`<svg class="map" viewBox="0 0 ${WIDTH} ${ROWS * ROW_HEIGHT}" role="img" aria-label=${inWords(map, size)}>
      ${bars(received, size, 'received')} ${bars(receiving, size, 'promised')} ${bars(arrived, size, 'receiving')}
      ${bars(resent, size, 'resent')}
    </svg>
    <ul class="legend">
      <li class="received">durable: ${bytes(lengthOf(received))}</li>
      <li class="promised">under way: ${number(receiving.length)} chunks</li>
      <li class="receiving">of these arrived: ${bytes(lengthOf(arrived))}</li>
      <li class="resent">sent again: ${bytes(lengthOf(resent))}</li>
    </ul>
    <p class="heard">${inWords(map, size)}</p>
    <details>
      <summary>Ranges in words</summary>
      ${list(map)}
    </details>`
}

function bars(pieces: readonly Piece[], size: number, kind: string): TemplateResult[] {
  const again = kind === 'resent'
  const height = again ? RESENT_HEIGHT : ROW_HEIGHT - 2
  return barsOf(pieces, size).map(
    ({ x, y, width }) =>
      svg`<rect class=${kind} x=${x.toFixed(1)} y=${again ? y + ROW_HEIGHT - 1 - height : y + 1} width=${width.toFixed(1)} height=${height} />`,
  )
}

function inWords({ received, receiving, resent, joined }: DownloadMap, size: number): string {
  const there = `${bytes(lengthOf(received))} of ${bytes(size)} are there, in ${joined ? 'more than ' : ''}${count(received.length, 'range')}`
  const again = resent.length === 0 ? '' : `; ${bytes(lengthOf(resent))} came again`
  return `${there}; ${count(receiving.length, 'chunk')} under way${again}`
}

const count = (many: number, what: string): string => `${number(many)} ${what}${many === 1 ? '' : 's'}`

function list({ received, receiving, resent }: DownloadMap): TemplateResult {
  const rows = [
    ...received.map((piece) => ({ ...piece, kind: 'durable' })),
    ...receiving.map((piece) => ({ ...piece, kind: `under way, ${bytes(piece.bytes)} arrived` })),
    ...resent.map((piece) => ({ ...piece, kind: 'sent again' })),
  ]
  const shown = rows.slice(0, LISTED)
  return html`${table(
    'Ranges',
    columns,
    shown.map(({ start, end, kind }) => tableRow(columns, [number(start), number(end - 1), bytes(end - start), kind])),
  )}
  ${rows.length > LISTED ? html`<p>and ${number(rows.length - LISTED)} more</p>` : ''}`
}
