/** Until when something is in force, or since when it is not, for a column. */
export function until({ expiresAt, revokedAt }: { expiresAt: string | null; revokedAt: string | null }): string {
  return revokedAt === null ? (expiresAt ?? '-') : `revoked ${revokedAt}`
}
