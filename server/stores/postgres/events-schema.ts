const TEXT = 'text COLLATE "C"'

const columns = 'at, type, client_id, download_id, attempt, status, reason, size, bytes_received, bytes_resent, sha256'
const now = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** Of a download's row. An announced SHA-256 is not told: only what was verified counts. */
const values = (row: string): string =>
  `${row}.client_id, ${row}.id, ${row}.attempt, ${row}.status, ${row}.reason, ${row}.size, ${row}.bytes_received,
     ${row}.bytes_resent, CASE WHEN ${row}.status = 'completed' THEN ${row}.sha256 END`

/**
 * What happens, written down by triggers. Those of updates are for some columns: a chunk that is counted does not even have
 * them looked at.
 */
export const events = [
  `CREATE TABLE events (
    seq bigserial PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at bigint NOT NULL,
    type ${TEXT} NOT NULL,
    client_id ${TEXT} NOT NULL,
    download_id ${TEXT},
    attempt bigint,
    status ${TEXT},
    reason ${TEXT},
    size bigint,
    bytes_received bigint,
    bytes_resent bigint,
    sha256 ${TEXT},
    version ${TEXT},
    replaced boolean
  )`,
  `CREATE INDEX events_in_order ON events (xid, seq)`,
  `CREATE INDEX events_of_download ON events (download_id, seq) WHERE download_id IS NOT NULL`,
  `CREATE INDEX events_by_age ON events (at)`,
  // One row: of a position up to this one nobody knows what came after it.
  `CREATE TABLE event_log (
    one integer PRIMARY KEY CHECK (one = 1),
    forgotten_xid xid8 NOT NULL,
    forgotten_seq bigint NOT NULL
  )`,
  `INSERT INTO event_log (one, forgotten_xid, forgotten_seq) VALUES (1, '0', 0)`,
  `CREATE FUNCTION tell_queued() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO events (${columns})
    SELECT ${now}, 'download.queued', ${values('added')} FROM added ORDER BY added.seq;
    RETURN NULL;
  END $$`,
  `CREATE TRIGGER download_queued AFTER INSERT ON downloads REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tell_queued()`,
  `CREATE FUNCTION tell_changed() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO events (${columns}) VALUES (${now},
      CASE
        WHEN OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL THEN 'download.removed'
        WHEN OLD.attempt <> NEW.attempt OR NEW.status = 'transferring' THEN 'download.begun'
        WHEN NEW.status = 'queued' AND OLD.status IN ('transferring', 'verifying') THEN 'download.requeued'
        WHEN NEW.status = 'queued' THEN 'download.retried'
        ELSE 'download.' || NEW.status
      END, ${values('NEW')});
    RETURN NULL;
  END $$`,
  `CREATE TRIGGER download_changed AFTER UPDATE OF status, attempt, removed_at ON downloads FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.attempt <> NEW.attempt OR (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL))
    EXECUTE FUNCTION tell_changed()`,
  // JSON can hold what a text cannot, and then it cannot be taken apart: such a session has no version here.
  `CREATE FUNCTION tell_connected() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO events (at, type, client_id, version, replaced)
    VALUES (${now}, 'client.connected', NEW.id,
      CASE WHEN position('\\u' IN NEW.agent) = 0 THEN NEW.agent::json ->> 'version' END, OLD.session IS NOT NULL);
    RETURN NULL;
  END $$`,
  `CREATE TRIGGER client_connected AFTER UPDATE OF session ON clients FOR EACH ROW
    WHEN (NEW.session IS NOT NULL AND OLD.session IS DISTINCT FROM NEW.session) EXECUTE FUNCTION tell_connected()`,
]
