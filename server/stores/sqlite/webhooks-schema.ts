/** How far each endpoint was told, and what waits for it. */
export const webhooks = `
  CREATE TABLE webhooks (endpoint TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint TEXT NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    last_status INTEGER,
    UNIQUE (endpoint, event)
  ) STRICT;
  CREATE INDEX deliveries_due ON deliveries (endpoint, next_at, seq);
  CREATE INDEX deliveries_in_order ON deliveries (endpoint, seq);
  `
