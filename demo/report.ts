import { formatBytes, formatSeconds } from '../shared/format.ts'
import type { Transfer } from './transfer.ts'

/** Whether both ends have the same bytes. */
export function agrees({ sourceSha256, receivedSha256 }: Transfer): boolean {
  return sourceSha256 === receivedSha256
}

/** What came of one transfer, as lines. */
export function describeTransfer(transfer: Transfer): string[] {
  const { site, received, size, seconds, sourceSha256, receivedSha256 } = transfer
  return [
    '',
    site.id,
    `  at the site    ${site.source}`,
    `         SHA-256 ${sourceSha256}`,
    `  at the server  ${received}`,
    `         SHA-256 ${receivedSha256}`,
    `  ${agrees(transfer) ? 'They agree.' : 'THEY DIFFER.'} ${took(size, seconds)}`,
  ]
}

/** What came of all of them; `seconds` from the first request to the last completion. */
export function summary(transfers: readonly Transfer[], seconds: number): string {
  const size = transfers.reduce((sum, transfer) => sum + transfer.size, 0)
  const alike = transfers.filter(agrees).length
  return `${alike} of ${transfers.length} files came over with the same SHA-256 at both ends: ${took(size, seconds)}`
}

function took(size: number, seconds: number): string {
  return `${formatBytes(size)} in ${formatSeconds(seconds)} (${formatBytes(Math.round(size / seconds))}/s).`
}

/** Where everything lies, and how to be rid of it. */
export function leftovers(folder: string): string {
  return `The files and the logs are in ${folder}; to remove them: rm -r ${folder}`
}

export const nextSteps = [
  '',
  'Now by hand, in three terminals:',
  '  1  npm start',
  '  2  CLIENT_ID=restaurant_1 npm run agent',
  '  3  curl -X POST localhost:3000/downloads -H \'content-type: application/json\' -d \'{"clientId":"restaurant_1"}\'',
  '     npm run cli -- clients',
  '     npm run cli -- download restaurant_1 menu.txt',
]
