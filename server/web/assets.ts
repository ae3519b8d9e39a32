import { extname } from 'node:path'
import { readAsset } from '../../shared/assets.ts'
import { sent, type Sent } from './sent.ts'

/** Of the dashboard, beside what all pages share: in this order. */
export const dashboardStyles = ['app.css', 'forms.css', 'tables.css', 'download.css'] as const

/** What pages are made with: files beside this one, under `assets/`. An executable carries them: packaging/build-server.ts. */
export const assetNames = ['backhaul.css', ...dashboardStyles, 'backhaul.svg'] as const

const types: Record<string, string> = { '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' }

/** Every asset by its name, and nothing else: no name leads to another file. */
export function readAssets(): Map<string, Sent> {
  return new Map(
    assetNames.map((name) => [
      name,
      sent(types[extname(name)] ?? 'text/plain', readAsset(new URL(`./assets/${name}`, import.meta.url))),
    ]),
  )
}
