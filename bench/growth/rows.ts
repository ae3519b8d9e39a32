/** How many clients a database of so many downloads has. */
export const clientsFor = (downloads: number): number => Math.max(10, Math.round(downloads / 100))

/** Every so many ms, one was asked for. */
const APART = 500
const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR
/** Rows of one statement: PostgreSQL keeps what a statement adds until its triggers have seen it. */
const PORTION = 100_000

/** What the two databases have different words for. */
export interface Dialect {
  /** The whole numbers from `first` to `last`, as `n (i)` before a SELECT. */
  numbers(first: number, last: number): string
  /** A whole number as so many hexadecimal digits. */
  hex(value: string, digits: number): string
}

/** The nth id, scattered as random ones are. */
export const idOf = (n: number): string =>
  `${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

export const batchOf = (n: number): string => `00000000-0000-4000-9000-${n.toString(16).padStart(12, '0')}`

/**
 * Statements that fill an empty database with downloads as a long time of use leaves them, so that every list has as many
 * rows on its first page however many there are in all. Three clients are special: `quiet` has the 40 oldest, `busy` a fifth
 * of all, `site-1` one open job. `expired` ones are the oldest of all, `cancelled` ones are old and only of `busy`.
 */
export function* statements(downloads: number, dialect: Dialect): Generator<string> {
  const clients = clientsFor(downloads)
  const now = Date.now()
  // Nobody of these is there.
  const seen = now - HOUR
  yield `INSERT INTO clients (id, last_seen, rev, shared, labels)
    VALUES ('quiet', ${seen}, 2, '["/srv"]', '{"use":"seldom"}'), ('busy', ${seen}, 2, '["/srv"]', '{}')`
  const sites = dialect.numbers(0, clients - 1)
  yield `${sites} INSERT INTO clients (id, last_seen, rev, shared, labels)
    SELECT 'site-' || i, ${seen}, 2, '["/srv"]', '{"site":"site-' || (i % 10) || '"}' FROM n`
  yield `${sites} INSERT INTO labels (key, value, client_id) SELECT 'site', 'site-' || (i % 10), 'site-' || i FROM n`
  yield `INSERT INTO labels (key, value, client_id) VALUES ('use', 'seldom', 'quiet')`
  for (let first = 1; first <= downloads; first += PORTION)
    yield rows(dialect, { first, last: Math.min(first + PORTION - 1, downloads), downloads, clients, now })
  yield 'INSERT INTO names (key, download_id) SELECT lower(name), id FROM downloads WHERE name IS NOT NULL'
  yield `INSERT INTO chunks (download_id, attempt, start, "end", digest, tag)
    SELECT id, 1, 0, size, sha256, '' FROM downloads WHERE status = 'completed' AND removed_at IS NULL`
  yield `INSERT INTO idempotency (key, request, download_ids, created_at)
    SELECT 'key-' || seq, sha256, '["' || id || '"]', created_at FROM downloads WHERE seq % 2 = 0 AND sha256 IS NOT NULL`
}

interface Portion {
  first: number
  last: number
  downloads: number
  clients: number
  now: number
}

const rows = ({ numbers, hex }: Dialect, { first, last, downloads, clients, now }: Portion): string => `
  ${numbers(first, last)},
  drawn AS (SELECT i,
    ${hex('(i * 2654435761) % 4294967296', 8)} || '-0000-4000-8000-' || ${hex('i', 12)} AS id,
    CASE WHEN i <= 40 THEN 'quiet' WHEN i % 5 = 0 THEN 'busy' ELSE 'site-' || (i % ${clients}) END AS client,
    CASE WHEN i <= 40 THEN CASE i % 2 WHEN 1 THEN 'expired' ELSE 'failed' END
      WHEN i <= 200 AND i % 5 = 0 THEN 'cancelled'
      WHEN i > ${downloads - clients} AND i % 10 = 1 THEN 'queued'
      WHEN i % 25 = 7 THEN 'failed' ELSE 'completed' END AS status,
    ${now} - (${downloads} - i) * ${APART} AS asked FROM n)
  INSERT INTO downloads (seq, id, client_id, kind, path, priority, policy, note, batch_id, naming, status, reason, attempt,
    size, bytes_received, sha256, verified, name, source_path, source_modified, created_at, started_at, completed_at,
    expires_in, expires_at, removed_at)
  SELECT i, id, client, 'file', '/srv/export/day-' || (i % 97) || '.csv', 0, 'fail', 'ticket-' || (i / 25),
    CASE i % 3 WHEN 0 THEN '00000000-0000-4000-9000-' || ${hex('i / 60', 12)} END, 'plain', status,
    CASE status WHEN 'failed' THEN 'not-found' WHEN 'completed' THEN NULL WHEN 'queued' THEN NULL ELSE status END,
    CASE status WHEN 'completed' THEN 1 ELSE 0 END, CASE status WHEN 'completed' THEN 1000 + i % 1000 END,
    CASE status WHEN 'completed' THEN 1000 + i % 1000 ELSE 0 END,
    CASE status WHEN 'completed' THEN ${hex('i', 64)} END, status = 'completed',
    CASE WHEN status = 'completed' AND i % 50 <> 9 THEN id || '_day-' || (i % 97) || '.csv' END,
    '/srv/export/day-' || (i % 97) || '.csv', asked - 60000, asked, CASE WHEN status <> 'queued' THEN asked + 100 END,
    CASE WHEN status <> 'queued' THEN asked + 500 END, ${now + 30 * DAY} - asked, ${now + 30 * DAY},
    CASE WHEN status = 'completed' AND i % 50 = 9 THEN asked + 1000 END FROM drawn`
