import { expect } from '@jest/globals'
import type { DownloadFilter, DownloadRecord, JobStore } from '../../server/ports.ts'
import { draft, sessionRequest } from './drafts.ts'

const filters: Omit<DownloadFilter, 'limit'>[] = [
  {},
  { clientId: 'c1' },
  { status: ['failed'] },
  { status: ['failed', 'queued', 'failed'] },
  { clientId: 'c1', status: ['failed', 'queued'] },
  { clientId: 'c1', path: null, status: ['queued'] },
  { clientId: 'c1', path: 'p' },
  { note: 'n1' },
  { note: 'n1', clientId: 'c1', status: ['queued'] },
  { batchId: 'b1' },
  { batchId: 'b1', status: ['queued', 'failed'] },
  { labels: { use: 'seldom' } },
  { labels: { use: 'seldom', site: 's1' }, status: ['queued', 'failed'] },
  { labels: { site: 's1' } },
  { labels: { site: 's1' }, clientId: 'c1' },
  { labels: { site: 's1' }, clientId: 'c2' },
  { labels: { site: 's1' }, note: 'n1' },
]

function fits(
  filter: Omit<DownloadFilter, 'limit'>,
  download: DownloadRecord,
  labels: Record<string, string>,
): boolean {
  return (
    (filter.clientId ?? download.clientId) === download.clientId &&
    (filter.status ?? [download.status]).includes(download.status) &&
    (filter.note ?? download.note) === download.note &&
    (filter.batchId ?? download.batchId) === download.batchId &&
    (filter.path === undefined || filter.path === download.path) &&
    Object.entries(filter.labels ?? {}).every(([key, value]) => labels[key] === value)
  )
}

/** Fills an empty store, and compares its lists with what a look at every download finds. @returns the downloads that were made */
export async function checkLists(
  jobs: Pick<JobStore, 'beginSession' | 'createDownloads' | 'transition' | 'listDownloads'>,
): Promise<DownloadRecord[]> {
  const labelsOf: Record<string, Record<string, string>> = {
    c0: { use: 'seldom', site: 's1' },
    c1: { site: 's1' },
    c2: { site: 's2' },
    c3: { use: 'seldom' },
  }
  for (const [id, labels] of Object.entries(labelsOf))
    await jobs.beginSession(sessionRequest(id, 'i', labels), 1, () => undefined)
  // The two with the label that is seldom have the oldest only.
  const drafts = Array.from({ length: 2500 }, (_, n) =>
    draft(n < 60 ? `c${n % 4}` : `c${1 + (n % 2)}`, {
      note: n % 7 === 0 ? 'n1' : null,
      batchId: n % 11 === 0 ? 'b1' : null,
      path: n % 3 === 0 ? 'p' : null,
    }),
  )
  const { downloads } = await jobs.createDownloads(drafts, { key: 'k', request: 'r' })
  for (const { id } of downloads.filter(({ seq }) => seq % 5 === 0 && seq < 400))
    await jobs.transition({ id, from: ['queued'], set: { status: 'failed', completedAt: 1 } })

  const all = await jobs.listDownloads({ limit: 5000 })
  expect(all).toHaveLength(2500)
  for (const filter of filters) {
    const wanted = all.filter((download) => fits(filter, download, labelsOf[download.clientId] ?? {}))
    for (const before of [undefined, 45, 1500]) {
      for (const limit of [3, 100]) {
        const expected = wanted.filter(({ seq }) => seq < (before ?? Infinity)).slice(0, limit)
        const found = await jobs.listDownloads({ ...filter, before, limit })
        expect({ filter, before, seqs: found.map(({ seq }) => seq) }).toEqual({
          filter,
          before,
          seqs: expected.map(({ seq }) => seq),
        })
      }
    }
  }
  return downloads
}
