const columns = 'at, type, client_id, download_id, attempt, status, reason, size, bytes_received, bytes_resent, sha256'
const now = `CAST(round(unixepoch('subsec') * 1000) AS INTEGER)`
/** An announced one is not told: only what was verified counts. */
const sha256 = `CASE WHEN NEW.status = 'completed' THEN NEW.sha256 END`
const values = `NEW.client_id, NEW.id, NEW.attempt, NEW.status, NEW.reason, NEW.size, NEW.bytes_received, NEW.bytes_resent, ${sha256}`

/**
 * What happens, written down by triggers. Those of updates are for some columns: a chunk that is counted does not even have
 * them looked at.
 */
export const events = `
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    client_id TEXT NOT NULL,
    download_id TEXT,
    attempt INTEGER,
    status TEXT,
    reason TEXT,
    size INTEGER,
    bytes_received INTEGER,
    bytes_resent INTEGER,
    sha256 TEXT,
    version TEXT,
    replaced INTEGER
  ) STRICT;
  CREATE INDEX events_of_download ON events (download_id, seq) WHERE download_id IS NOT NULL;
  CREATE INDEX events_by_age ON events (at);

  -- One row: positions of another epoch are of a database that was replaced by a restored one; of those up to the forgotten
  -- one nobody knows what came after them.
  CREATE TABLE event_log (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
  ) STRICT;
  INSERT INTO event_log (one, epoch, forgotten) VALUES (1, 1, 0);

  CREATE TRIGGER download_queued AFTER INSERT ON downloads BEGIN
    INSERT INTO events (${columns}) VALUES (${now}, 'download.queued', ${values});
  END;
  CREATE TRIGGER download_changed AFTER UPDATE OF status, attempt, removed_at ON downloads
    WHEN OLD.status <> NEW.status OR OLD.attempt <> NEW.attempt OR (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL)
  BEGIN
    INSERT INTO events (${columns}) VALUES (${now},
      CASE
        WHEN OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL THEN 'download.removed'
        WHEN OLD.attempt <> NEW.attempt OR NEW.status = 'transferring' THEN 'download.begun'
        WHEN NEW.status = 'queued' AND OLD.status IN ('transferring', 'verifying') THEN 'download.requeued'
        WHEN NEW.status = 'queued' THEN 'download.retried'
        ELSE 'download.' || NEW.status
      END, ${values});
  END;
  CREATE TRIGGER client_connected AFTER UPDATE OF session ON clients
    WHEN NEW.session IS NOT NULL AND OLD.session IS NOT NEW.session
  BEGIN
    INSERT INTO events (at, type, client_id, version, replaced)
    VALUES (${now}, 'client.connected', NEW.id, json_extract(NEW.agent, '$.version'), OLD.session IS NOT NULL);
  END;
  `
