import { test } from '@jest/globals'
import { openDatabase } from '../../server/stores/postgres/database.ts'
import { createJobStore } from '../../server/stores/postgres/jobs.ts'
import { lacking } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { jobStoreChunksContract } from './jobs-chunks.ts'
import { checkLists } from './jobs-lists.ts'
import { jobStoreRoomContract } from './jobs-room.ts'
import { jobStoreUpdatesContract } from './jobs-updates.ts'
import { jobStoreContract } from './jobs.ts'

const place = async () => {
  const url = await databaseUrl()
  return {
    open: async () => createJobStore({ db: await openDatabase({ url }) }),
    remove: async () => undefined,
  }
}

const needs = { otherwise: postgresLacking() }
if (lacking(needs).length === 0) {
  jobStoreContract('postgres', place)
  jobStoreChunksContract('postgres', place)
  jobStoreRoomContract('postgres', place)
  jobStoreUpdatesContract('postgres', place)
  test('lists are what a look at every download finds', async () => {
    const jobs = await (await place()).open()
    await checkLists(jobs)
    await jobs.close()
  }, 60_000)
} else testWith(needs, 'the job store on PostgreSQL', async () => undefined)
