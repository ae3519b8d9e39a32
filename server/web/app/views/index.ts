import type { Route } from '../route.ts'
import { may } from '../session.ts'
import type { Page, View } from '../view.ts'
import { auditView } from './audit.ts'
import { clientView } from './client.ts'
import { clientsView } from './clients.ts'
import { downloadView } from './download.ts'
import { downloadsView } from './downloads.ts'
import { unknownView } from './unknown.ts'

/** The view that an address leads to. */
export function viewOf({ view, id, query }: Route, page: Page): View {
  switch (view) {
    case 'downloads':
      return downloadsView(page, query)
    case 'download':
      return downloadView(page, id)
    case 'clients':
      return clientsView(query)
    case 'client':
      return clientView(page, id, query)
    case 'audit':
      return may(page.session, 'admin') ? auditView(query) : unknownView()
    default:
      return unknownView()
  }
}
