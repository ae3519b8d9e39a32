import { overlappingSql } from './chunks-sql.ts'
import { events } from './events-schema.ts'
import { holdSessions } from './locks.ts'
import { webhooks } from './webhooks-schema.ts'

/** Compared byte by byte: so do the other stores, and an index outlives new rules of a language. */
const TEXT = 'text COLLATE "C"'

const OPEN = `status IN ('queued', 'transferring')`

const clients = [
  `CREATE TABLE clients (
    id ${TEXT} PRIMARY KEY,
    session_n bigint NOT NULL DEFAULT 0,
    session ${TEXT},
    instance ${TEXT},
    past_instances ${TEXT} NOT NULL DEFAULT '[]',
    session_at bigint,
    rev bigint NOT NULL DEFAULT 1,
    agent ${TEXT},
    shared ${TEXT} NOT NULL DEFAULT '[]',
    labels ${TEXT} NOT NULL DEFAULT '{}',
    last_seen bigint NOT NULL,
    conflicts bigint NOT NULL DEFAULT 0,
    conflict_at bigint,
    conflict_hostname ${TEXT},
    update_order ${TEXT}
  ) WITH (fillfactor = 80)`,
  `CREATE TABLE labels (
    key ${TEXT} NOT NULL,
    value ${TEXT} NOT NULL,
    client_id ${TEXT} NOT NULL REFERENCES clients (id),
    PRIMARY KEY (key, value, client_id)
  )`,
  `CREATE INDEX labels_of_client ON labels (client_id)`,
]

/**
 * Inserts chunks that were judged by what was read before, where that still holds: of the download the attempt and the
 * status, of its client the session, of the chunk how many rows share a byte with it. In one call, so that no lock is held
 * for a server that stands still. Every query of it sees what was committed before that query, as the function is volatile.
 */
const insertChunks = `CREATE FUNCTION insert_chunks(
    given_ids text[], given_attempts bigint[], starts bigint[], ends bigint[], digests text[], tags text[],
    seen_attempts bigint[], seen_statuses text[], seen_sessions text[], seen_sharing bigint[]
  ) RETURNS TABLE (n bigint, bytes_received bigint) LANGUAGE plpgsql VOLATILE AS $$
  #variable_conflict use_column
  BEGIN
    PERFORM ${holdSessions('given_ids')};
    PERFORM FROM downloads WHERE id = ANY(given_ids) ORDER BY id FOR NO KEY UPDATE;
    RETURN QUERY
      WITH given AS (
        SELECT * FROM unnest(given_ids, given_attempts, starts, ends, digests, tags, seen_attempts, seen_statuses,
          seen_sessions, seen_sharing) WITH ORDINALITY
          AS given (id, attempt, start, "end", digest, tag, row_attempt, status, session, sharing, n)),
      fit AS (
        SELECT given.* FROM given
        JOIN downloads ON downloads.id = given.id AND downloads.attempt = given.row_attempt AND downloads.status = given.status
        JOIN clients ON clients.id = downloads.client_id AND clients.session IS NOT DISTINCT FROM given.session
        WHERE given.sharing = (SELECT count(*) FROM (${overlappingSql('given.id', 'given.attempt', 'given.start', 'given."end"')}) AS rows)),
      added AS (
        INSERT INTO chunks (download_id, attempt, start, "end", digest, tag)
        SELECT id, attempt, start, "end", digest, tag FROM fit
        ON CONFLICT DO NOTHING RETURNING download_id, attempt, start, tag, "end" - start AS length),
      counted AS (
        UPDATE downloads SET bytes_received = downloads.bytes_received + sums.length
        FROM (SELECT download_id, sum(length)::bigint AS length FROM added GROUP BY download_id) AS sums
        WHERE downloads.id = sums.download_id RETURNING downloads.id, downloads.bytes_received)
      SELECT fit.n, counted.bytes_received FROM fit
      JOIN added ON added.download_id = fit.id AND added.attempt = fit.attempt AND added.start = fit.start AND added.tag = fit.tag
      JOIN counted ON counted.id = fit.id;
  END $$`

const downloads = [
  `CREATE TABLE downloads (
    seq bigserial PRIMARY KEY,
    id ${TEXT} NOT NULL UNIQUE,
    client_id ${TEXT} NOT NULL REFERENCES clients (id),
    kind ${TEXT} NOT NULL,
    path ${TEXT},
    priority bigint NOT NULL,
    policy ${TEXT} NOT NULL,
    note ${TEXT},
    batch_id ${TEXT},
    asked_by ${TEXT},
    naming ${TEXT} NOT NULL,
    status ${TEXT} NOT NULL,
    reason ${TEXT},
    detail ${TEXT},
    attempt bigint NOT NULL DEFAULT 0,
    source ${TEXT},
    whole boolean NOT NULL DEFAULT false,
    size bigint,
    bytes_received bigint NOT NULL DEFAULT 0,
    bytes_resent bigint NOT NULL DEFAULT 0,
    mismatches bigint NOT NULL DEFAULT 0,
    sha256 ${TEXT},
    verified boolean NOT NULL DEFAULT false,
    name ${TEXT},
    source_path ${TEXT},
    source_modified bigint,
    created_at bigint NOT NULL,
    started_at bigint,
    completed_at bigint,
    expires_in bigint NOT NULL,
    expires_at bigint NOT NULL,
    removed_at bigint
  ) WITH (fillfactor = 80)`,
  `CREATE INDEX open_jobs ON downloads (client_id, priority DESC, seq) WHERE ${OPEN}`,
  `CREATE INDEX open_expiry ON downloads (expires_at) WHERE ${OPEN}`,
  `CREATE INDEX downloads_of_client ON downloads (client_id, seq)`,
  `CREATE INDEX downloads_of_client_by_status ON downloads (client_id, status, seq)`,
  `CREATE INDEX downloads_by_status ON downloads (status, seq)`,
  `CREATE INDEX downloads_of_batch ON downloads (batch_id, seq) WHERE batch_id IS NOT NULL`,
  `CREATE INDEX downloads_by_note ON downloads (note, seq) WHERE note IS NOT NULL`,
  `CREATE INDEX taking_up ON downloads (client_id, id, size)
    WHERE status IN ('transferring', 'verifying', 'completed') AND removed_at IS NULL`,
  `CREATE INDEX kept_parts ON downloads (completed_at) WHERE status IN ('failed', 'expired') AND source IS NOT NULL`,
  `CREATE INDEX finished ON downloads (completed_at) WHERE status = 'completed' AND removed_at IS NULL`,
  `CREATE INDEX half_removed ON downloads (seq) WHERE removed_at IS NOT NULL AND name IS NOT NULL`,
  // Names are never given twice, not even after their file was removed. The key is case-folded.
  `CREATE TABLE names (key ${TEXT} PRIMARY KEY, download_id ${TEXT} NOT NULL)`,
  // The rows of an attempt never overlap.
  `CREATE TABLE chunks (
    download_id ${TEXT} NOT NULL,
    attempt bigint NOT NULL,
    start bigint NOT NULL,
    "end" bigint NOT NULL,
    digest ${TEXT} NOT NULL,
    tag ${TEXT} NOT NULL,
    PRIMARY KEY (download_id, attempt, start)
  )`,
  insertChunks,
  `CREATE TABLE idempotency (
    key ${TEXT} PRIMARY KEY,
    request ${TEXT} NOT NULL,
    download_ids ${TEXT} NOT NULL,
    created_at bigint NOT NULL
  )`,
  `CREATE INDEX idempotency_age ON idempotency (created_at)`,
]

const access = [
  `CREATE TABLE tokens (
    id ${TEXT} PRIMARY KEY,
    hash ${TEXT} NOT NULL UNIQUE,
    name ${TEXT} NOT NULL,
    role ${TEXT} NOT NULL,
    content boolean NOT NULL,
    clients ${TEXT},
    paths ${TEXT},
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
  )`,
  `CREATE TABLE enrolments (
    id ${TEXT} PRIMARY KEY,
    hash ${TEXT} NOT NULL UNIQUE,
    clients ${TEXT} NOT NULL,
    labels ${TEXT} NOT NULL,
    uses_left bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
  )`,
  // Of a key the public half, of a bearer token its hash: nothing here can pose as a site.
  `CREATE TABLE credentials (
    seq bigserial UNIQUE,
    id ${TEXT} PRIMARY KEY,
    client_id ${TEXT} NOT NULL,
    public_key ${TEXT},
    hash ${TEXT} UNIQUE,
    enrolment_id ${TEXT},
    created_at bigint NOT NULL,
    proven_at bigint,
    revoked_at bigint
  )`,
  `CREATE INDEX credentials_of_client ON credentials (client_id, created_at)`,
  `CREATE INDEX credentials_by_key ON credentials (public_key) WHERE public_key IS NOT NULL`,
  `CREATE TABLE session_tokens (
    hash ${TEXT} PRIMARY KEY,
    client_id ${TEXT} NOT NULL,
    session ${TEXT} NOT NULL,
    credential_id ${TEXT} NOT NULL,
    expires_at bigint NOT NULL
  )`,
  `CREATE INDEX session_tokens_of_credential ON session_tokens (credential_id)`,
  `CREATE INDEX session_tokens_by_end ON session_tokens (expires_at)`,
  `CREATE TABLE secrets (name ${TEXT} PRIMARY KEY, value ${TEXT} NOT NULL)`,
  `CREATE TABLE audit (
    seq bigserial PRIMARY KEY,
    at bigint NOT NULL,
    actor ${TEXT} NOT NULL,
    address ${TEXT} NOT NULL,
    action ${TEXT} NOT NULL,
    client_id ${TEXT},
    path ${TEXT},
    download_id ${TEXT},
    status integer NOT NULL,
    code ${TEXT}
  )`,
  `CREATE INDEX audit_of_client ON audit (client_id, seq) WHERE client_id IS NOT NULL`,
  `CREATE INDEX audit_of_actor ON audit (actor, seq)`,
  // What was done stays done.
  `CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$`,
  `CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()`,
]

const servers = [
  // Who is there, and who does what only one of them should.
  `CREATE TABLE servers (id ${TEXT} PRIMARY KEY, alive_until timestamptz NOT NULL)`,
  `CREATE TABLE leases (name ${TEXT} PRIMARY KEY, holder ${TEXT} NOT NULL)`,
  // What changed lately, written with the change itself: a wake that got lost is found here.
  `CREATE TABLE wakes (
    seq bigserial NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    topic ${TEXT} NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE INDEX wakes_in_order ON wakes (xid, seq)`,
  `CREATE INDEX wakes_by_age ON wakes (at)`,
  `CREATE FUNCTION note_wake() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO wakes (topic) VALUES (TG_ARGV[0] || ':' || NEW.id); RETURN NULL; END $$`,
  `CREATE TRIGGER client_changed AFTER UPDATE ON clients FOR EACH ROW
    WHEN (OLD.rev <> NEW.rev OR OLD.session IS DISTINCT FROM NEW.session) EXECUTE FUNCTION note_wake('client')`,
  `CREATE TRIGGER token_revoked AFTER UPDATE ON tokens FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION note_wake('access')`,
  `CREATE TRIGGER credential_revoked AFTER UPDATE ON credentials FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION note_wake('access')`,
  // What callers did lately; a database that breaks down may forget it.
  `CREATE UNLOGGED TABLE rate_limits (key varchar(255) PRIMARY KEY, points integer NOT NULL DEFAULT 0, expire bigint)`,
]

/** Applied in order, once each, statement by statement; the table `schema_version` counts them. One that has shipped is never edited. */
export const migrations: readonly (readonly string[])[] = [
  [...clients, ...downloads, ...access, ...servers],
  events,
  webhooks,
]
