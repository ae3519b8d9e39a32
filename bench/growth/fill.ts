import { DatabaseSync } from 'node:sqlite'

/** How many clients a database of so many downloads has. */
export const clientsFor = (downloads: number): number => Math.max(10, Math.round(downloads / 100))

/** Every so many ms, one was asked for. */
const APART = 500n
const DAY = 24n * 60n * 60n * 1000n

/**
 * Fills an empty database with downloads as a long time of use leaves them, so that every list has as many rows on its
 * first page however many there are in all. Three clients are special: `quiet` has the 40 oldest, `busy` a fifth of all,
 * `site-1` one open job. `expired` ones are the oldest of all, `cancelled` ones are old and only of `busy`.
 */
export function fill(path: string, downloads: number): void {
  const db = new DatabaseSync(path)
  const clients = clientsFor(downloads)
  // Whole numbers for SQLite, which takes a JavaScript number for a real one.
  const now = BigInt(Date.now())
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -524288; BEGIN')
  db.prepare(
    `INSERT INTO clients (id, last_seen, rev, shared, labels)
     SELECT name, :now, 2, '["/srv"]', '{}' FROM (
       SELECT 'quiet' AS name UNION ALL SELECT 'busy' UNION ALL
       SELECT 'site-' || value FROM (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n
         WHERE value + 1 < :clients) SELECT value FROM n))`,
  ).run({ now, clients: BigInt(clients) })
  db.exec(`
    INSERT INTO labels (key, value, client_id) SELECT 'site', 'site-' || (rowid % 10), id FROM clients WHERE id LIKE 'site-%';
    INSERT INTO labels (key, value, client_id) VALUES ('use', 'seldom', 'quiet');
    UPDATE clients SET labels = (SELECT json_group_object(key, value) FROM labels WHERE client_id = clients.id)`)
  db.prepare(rows).run({
    downloads: BigInt(downloads),
    clients: BigInt(clients),
    now,
    apart: APART,
    open: now + 30n * DAY,
  })
  db.exec(`
    INSERT INTO names (key, download_id) SELECT lower(name), id FROM downloads WHERE name IS NOT NULL;
    INSERT INTO chunks (download_id, attempt, start, end, digest, tag)
      SELECT id, 1, 0, size, sha256, '' FROM downloads WHERE status = 'completed' AND removed_at IS NULL;
    INSERT INTO idempotency (key, request, download_ids, created_at)
      SELECT 'key-' || seq, sha256, json_array(id), created_at FROM downloads WHERE seq % 2 = 0 AND sha256 IS NOT NULL;
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE)`)
  db.close()
}

/** The nth id, scattered as random ones are. */
export const idOf = (n: number): string =>
  `${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

export const batchOf = (n: number): string => `00000000-0000-4000-9000-${n.toString(16).padStart(12, '0')}`

const rows = `
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :downloads),
  drawn AS (SELECT i,
    printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i) AS id,
    CASE WHEN i <= 40 THEN 'quiet' WHEN i % 5 = 0 THEN 'busy' ELSE 'site-' || (i % :clients) END AS client,
    CASE WHEN i <= 40 THEN iif(i % 2, 'expired', 'failed')
      WHEN i <= 200 AND i % 5 = 0 THEN 'cancelled'
      WHEN i > :downloads - :clients AND i % 10 = 1 THEN 'queued'
      WHEN i % 25 = 7 THEN 'failed' ELSE 'completed' END AS status,
    :now - (:downloads - i) * :apart AS asked FROM n)
  INSERT INTO downloads (seq, id, client_id, kind, path, priority, policy, note, batch_id, naming, status, reason, attempt,
    size, bytes_received, sha256, verified, name, source_path, source_modified, created_at, started_at, completed_at,
    expires_in, expires_at, removed_at)
  SELECT i, id, client, 'file', '/srv/export/day-' || (i % 97) || '.csv', 0, 'fail', 'ticket-' || (i / 25),
    iif(i % 3, NULL, printf('00000000-0000-4000-9000-%012x', i / 60)), 'plain', status,
    CASE status WHEN 'failed' THEN 'not-found' WHEN 'completed' THEN NULL WHEN 'queued' THEN NULL ELSE status END,
    status = 'completed', iif(status = 'completed', 1000 + i % 1000, NULL), iif(status = 'completed', 1000 + i % 1000, 0),
    iif(status = 'completed', printf('%064x', i), NULL), status = 'completed',
    iif(status = 'completed' AND i % 50 <> 9, id || '_day-' || (i % 97) || '.csv', NULL),
    '/srv/export/day-' || (i % 97) || '.csv', asked - 60000, asked, iif(status = 'queued', NULL, asked + 100),
    iif(status = 'queued', NULL, asked + 500), :open - asked, :open,
    iif(status = 'completed' AND i % 50 = 9, asked + 1000, NULL) FROM drawn`
