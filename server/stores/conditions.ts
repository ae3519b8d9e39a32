// Conditions on rows of downloads, word for word as in the partial indexes of the schemas: otherwise these are not used.

/** The agent's to work on. */
export const OPEN = `status IN ('queued', 'transferring')`
/** What counts towards a client's quota. */
export const TAKING_UP = `status IN ('transferring', 'verifying', 'completed') AND removed_at IS NULL`
/** Ended, with a part that a retry goes on with. */
export const KEPT_PART = `status IN ('failed', 'expired') AND source IS NOT NULL`
/** There is a finished file. */
export const FINISHED = `status = 'completed' AND removed_at IS NULL`
/** Removed by the row, and not yet by the store. */
export const HALF_REMOVED = `removed_at IS NOT NULL AND name IS NOT NULL`
