import type { Route } from '../route.ts'
import type { Page, View } from '../view.ts'
import { downloadsView } from './downloads.ts'
import { unknownView } from './unknown.ts'

/** The view that an address leads to. */
export function viewOf({ view, query }: Route, page: Page): View {
  switch (view) {
    case 'downloads':
      return downloadsView(page, query)
    default:
      return unknownView()
  }
}
