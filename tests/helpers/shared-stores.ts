import { databaseUrl, postgresLacking } from './postgres.ts'
import { s3Lacking, s3Place, type S3Place } from './s3.ts'

/** Why there can be no server on PostgreSQL and S3 here; undefined where there can. */
export const sharedLacking = (): string | undefined => postgresLacking() ?? s3Lacking()

/** A fresh database and a place of its own in the bucket, with what a server's environment needs for them. */
export async function sharedStores(): Promise<{ place: S3Place; env: Record<string, string> }> {
  const place = s3Place()
  const passed = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'] as const
  return {
    place,
    env: {
      DATABASE_URL: await databaseUrl(),
      STORAGE_URL: place.url,
      S3_ENDPOINT: place.endpoint,
      ...Object.fromEntries(passed.map((name) => [name, process.env[name] ?? ''])),
    },
  }
}
