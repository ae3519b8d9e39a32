import { randomUUID } from 'node:crypto'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { Client } from 'pg'
import { postgresLacking, startPostgres, type PostgresServer } from './postgres-server.ts'
import { s3Lacking, s3Place, type S3Place } from './s3.ts'

/** A fresh database and an empty place in the bucket, for any number of servers. */
export interface SharedStores {
  /** What a server needs of the environment to use them. */
  env: Record<string, string>
  /** Where the objects are. */
  place: S3Place
  /** Names of all objects, in order. */
  keys(): Promise<string[]>
  /** @param url of the object, as `s3://BUCKET/KEY` */
  removeObject(url: string): Promise<void>
  /** One statement, past every server. @returns its rows */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  remove(): Promise<void>
}

/** Why there are no stores here that servers could share, as "needs …"; undefined where there are. */
export const sharedLacking = (): string | undefined => postgresLacking() ?? s3Lacking()

const POSTGRES = 'BACKHAUL_TEST_POSTGRES'
/** What of this process's environment the AWS SDK reads in a server. */
const OF_S3 = ['S3_ENDPOINT', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION']

let forAll: PostgresServer | undefined

/** Starts one PostgreSQL for all test files of a run. */
export async function startForAll(): Promise<void> {
  forAll = await startPostgres()
  process.env[POSTGRES] = await forAll.newDatabase()
}

export async function endForAll(): Promise<void> {
  await forAll?.remove()
}

/** @param given URL of a database of the PostgreSQL where the new one is made; by default the run's own */
export async function sharedStores(given = process.env[POSTGRES]): Promise<SharedStores> {
  if (given === undefined) throw new Error('this run has no PostgreSQL for all of its files; ownStores starts one')
  const name = `stack_${randomUUID().replaceAll('-', '')}`
  const url = new URL(given)
  url.pathname = name
  const place = s3Place()
  await statement(given, `CREATE DATABASE ${name}`)
  return {
    env: {
      DATABASE_URL: url.href,
      STORAGE_URL: place.url,
      ...Object.fromEntries(OF_S3.map((variable) => [variable, process.env[variable] ?? ''])),
    },
    place,
    keys: place.keys,
    async removeObject(object) {
      const { host: Bucket, pathname } = new URL(object)
      await place.client.send(new DeleteObjectCommand({ Bucket, Key: decodeURIComponent(pathname.slice(1)) }))
    },
    query: (sql, values) => statement(url.href, sql, values),
    async remove() {
      await statement(given, `DROP DATABASE ${name} WITH (FORCE)`)
      await place.remove()
    },
  }
}

async function statement(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql, values)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}
