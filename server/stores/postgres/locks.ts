/**
 * A client's session is held by whoever checks it, until the end of the transaction: many may, and whoever replaces it
 * waits for them and then keeps out those who come. So once a session was answered, nothing is done for one before it.
 * A lock of the row itself would do the same, but those who share it could keep out for ever who wants it alone.
 *
 * Everything that locks does it in this order: sessions, downloads by id, names, clients by id.
 */
const SESSIONS = 4_254_484

/** Of `client`, an SQL expression. To be selected. */
export const holdSession = (client: string): string =>
  `pg_advisory_xact_lock_shared(${SESSIONS}, hashtext(${client})) IS NULL AS unheld`
/** The same of all clients of the downloads of `ids`, an SQL expression. To be performed. */
export const holdSessions = (ids: string): string =>
  `pg_advisory_xact_lock_shared(${SESSIONS}, hashtext(client_id))
   FROM (SELECT DISTINCT client_id FROM downloads WHERE id = ANY(${ids}) ORDER BY client_id) AS own`
export const replaceSession = (client: string): string => `pg_advisory_xact_lock(${SESSIONS}, hashtext(${client}))`

/** Locks the downloads of `:ids`, and holds the sessions of their clients. */
export const LOCK_DOWNLOADS = `
  WITH held AS MATERIALIZED (
    SELECT client_id, ${holdSession('client_id')}
    FROM (SELECT DISTINCT client_id FROM downloads WHERE id = ANY(:ids::text[]) ORDER BY client_id) AS own)
  SELECT downloads.* FROM downloads JOIN held ON held.client_id = downloads.client_id AND NOT held.unheld
  WHERE downloads.id = ANY(:ids::text[]) ORDER BY downloads.id FOR NO KEY UPDATE OF downloads`
