import type { AccessStore } from '../../server/access-ports.ts'
import { createAccessStore } from '../../server/stores/postgres/access.ts'
import { openDatabase } from '../../server/stores/postgres/database.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { accessStoreContract } from './access.ts'

/** The methods of several stores in turn: what comes at once comes from several servers. */
function inTurn(stores: readonly AccessStore[]): AccessStore {
  let turn = 0
  return new Proxy(stores[0]!, {
    get: (_, method) => Reflect.get(stores[(turn += 1) % stores.length]!, method) as unknown,
  })
}

describeWith({ otherwise: postgresLacking() }, 'PostgreSQL', () => {
  accessStoreContract('postgres, two servers', async () => {
    const url = await databaseUrl()
    const databases = await Promise.all([openDatabase({ url }), openDatabase({ url })])
    return {
      store: inTurn(databases.map((db) => createAccessStore({ db }))),
      async remove() {
        for (const db of databases) await db.close()
      },
    }
  })
})
