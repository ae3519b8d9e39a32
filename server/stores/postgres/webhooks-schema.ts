const TEXT = 'text COLLATE "C"'

/** How far each endpoint was told, and what waits for it. */
export const webhooks = [
  `CREATE TABLE webhooks (endpoint ${TEXT} PRIMARY KEY, position ${TEXT} NOT NULL)`,
  `CREATE TABLE deliveries (
    seq bigserial PRIMARY KEY,
    endpoint ${TEXT} NOT NULL,
    event ${TEXT} NOT NULL,
    at bigint NOT NULL,
    body ${TEXT} NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    next_at bigint NOT NULL,
    last_status bigint,
    UNIQUE (endpoint, event)
  )`,
  `CREATE INDEX deliveries_due ON deliveries (endpoint, next_at, seq)`,
  `CREATE INDEX deliveries_in_order ON deliveries (endpoint, seq)`,
]
