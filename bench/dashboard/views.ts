import { idOf } from '../growth/rows.ts'

/** What is looked at, and by what one sees that it is there. */
export interface View {
  name: string
  /** Where it is, as the address says it after `#`. */
  at: string
  /** One of the rows, as a CSS selector: all of them are drawn at once. */
  shows: string
}

/** Rows of a page of the dashboard. */
const PAGE = 50

/** @param ids of all clients, in order */
export function viewsOf(downloads: number, ids: readonly string[]): View[] {
  const middle = Math.floor(downloads / 2)
  const rows = (name: string, at: string): View => ({ name, at, shows: 'main tbody tr' })
  const last = encodeURIComponent(ids.at(-PAGE - 1) ?? '')
  return [
    rows('downloads', '/'),
    rows('downloads: page two', `/?cursor=${downloads - PAGE + 1}`),
    rows('downloads: the last page', `/?cursor=${PAGE + 1}`),
    rows('downloads under way', '/?status=queued%2Ctransferring%2Cverifying'),
    rows('downloads that failed', '/?status=failed'),
    rows('downloads of a client', '/?client=busy'),
    rows('downloads of a client, cancelled', '/?client=busy&status=cancelled'),
    rows('downloads with a note', `/?note=ticket-${Math.floor(middle / 25)}`),
    rows('downloads with a label that is rare', '/?label=use%3Dseldom'),
    rows('downloads with a label, failed', '/?label=site%3Dsite-2&status=failed'),
    { name: 'one download', at: `/downloads/${idOf(middle)}`, shows: 'main .story li' },
    rows('clients online', '/clients'),
    rows('clients offline', '/clients?status=offline'),
    rows('all clients', '/clients?status=all'),
    rows('all clients: the last page', `/clients?status=all&cursor=${last}`),
    rows('clients that are searched', '/clients?status=all&search=SITE-99'),
    rows('one client', '/clients/busy'),
    rows('one client: page two', `/clients/busy?cursor=${downloads - PAGE * 5}`),
  ]
}
