import { events } from './events-schema.ts'
import { webhooks } from './webhooks-schema.ts'

/** Applied in order, once each; PRAGMA user_version counts them. A migration that has shipped is never edited. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    session_n INTEGER NOT NULL DEFAULT 0,
    session TEXT,
    instance TEXT,
    past_instances TEXT NOT NULL DEFAULT '[]',
    session_at INTEGER,
    rev INTEGER NOT NULL DEFAULT 1,
    agent TEXT,
    shared TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}',
    last_seen INTEGER NOT NULL,
    conflicts INTEGER NOT NULL DEFAULT 0,
    conflict_at INTEGER,
    conflict_hostname TEXT
  ) STRICT;

  CREATE TABLE labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id),
    PRIMARY KEY (key, value, client_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX labels_of_client ON labels (client_id);

  CREATE TABLE downloads (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL REFERENCES clients (id),
    kind TEXT NOT NULL,
    path TEXT,
    priority INTEGER NOT NULL,
    policy TEXT NOT NULL,
    note TEXT,
    batch_id TEXT,
    naming TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    source TEXT,
    whole INTEGER NOT NULL DEFAULT 0,
    size INTEGER,
    bytes_received INTEGER NOT NULL DEFAULT 0,
    bytes_resent INTEGER NOT NULL DEFAULT 0,
    mismatches INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT,
    verified INTEGER NOT NULL DEFAULT 0,
    name TEXT,
    source_path TEXT,
    source_modified INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    expires_in INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    removed_at INTEGER
  ) STRICT;
  CREATE INDEX open_jobs ON downloads (client_id, priority DESC, seq) WHERE status IN ('queued', 'transferring');
  CREATE INDEX open_expiry ON downloads (expires_at) WHERE status IN ('queued', 'transferring');
  CREATE INDEX downloads_of_client ON downloads (client_id, seq);
  CREATE INDEX downloads_by_status ON downloads (status, seq);
  CREATE INDEX downloads_of_batch ON downloads (batch_id, seq) WHERE batch_id IS NOT NULL;
  CREATE INDEX downloads_by_note ON downloads (note, seq) WHERE note IS NOT NULL;

  -- Names are never given twice, not even after their file was removed. The key is case-folded.
  CREATE TABLE names (
    key TEXT PRIMARY KEY,
    download_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- The rows of an attempt never overlap.
  CREATE TABLE chunks (
    download_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    digest TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (download_id, attempt, start)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    download_ids TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_age ON idempotency (created_at);
  `,
  `
  CREATE INDEX taking_up ON downloads (client_id, id, size)
    WHERE status IN ('transferring', 'verifying', 'completed') AND removed_at IS NULL;
  CREATE INDEX kept_parts ON downloads (completed_at) WHERE status IN ('failed', 'expired') AND source IS NOT NULL;
  CREATE INDEX finished ON downloads (completed_at) WHERE status = 'completed' AND removed_at IS NULL;
  -- A name that is null again says that the file of a removed one is gone.
  UPDATE downloads SET name = NULL WHERE removed_at IS NOT NULL;
  CREATE INDEX half_removed ON downloads (seq) WHERE removed_at IS NOT NULL AND name IS NOT NULL;
  `,
  `
  CREATE INDEX downloads_of_client_by_status ON downloads (client_id, status, seq);
  `,
  `
  ALTER TABLE downloads ADD COLUMN asked_by TEXT;

  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    content INTEGER NOT NULL,
    clients TEXT,
    paths TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
  ) STRICT;

  CREATE TABLE enrolments (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    clients TEXT NOT NULL,
    labels TEXT NOT NULL,
    uses_left INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT;

  -- Of a key the public half, of a bearer token its hash: nothing here can pose as a site.
  CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    public_key TEXT,
    hash TEXT UNIQUE,
    enrolment_id TEXT,
    created_at INTEGER NOT NULL,
    proven_at INTEGER,
    revoked_at INTEGER
  ) STRICT;
  CREATE INDEX credentials_of_client ON credentials (client_id, created_at);

  CREATE TABLE session_tokens (
    hash TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    session TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX session_tokens_of_credential ON session_tokens (credential_id);
  CREATE INDEX session_tokens_by_end ON session_tokens (expires_at);

  CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    client_id TEXT,
    path TEXT,
    download_id TEXT,
    status INTEGER NOT NULL,
    code TEXT
  ) STRICT;
  CREATE INDEX audit_of_client ON audit (client_id, seq) WHERE client_id IS NOT NULL;
  CREATE INDEX audit_of_actor ON audit (actor, seq);
  -- What was done stays done.
  CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
  CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
  `,
  `
  -- The newest order to become another version, as JSON.
  ALTER TABLE clients ADD COLUMN update_order TEXT;
  `,
  events,
  webhooks,
]
