import { openDatabase } from '../../server/stores/postgres/database.ts'
import { createWebhookStore } from '../../server/stores/postgres/webhooks.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { webhookStoreContract } from './webhooks.ts'

const place = async () => {
  const url = await databaseUrl()
  const open = async () => {
    const db = await openDatabase({ url })
    return { webhooks: createWebhookStore({ db }), close: db.close }
  }
  return { open, remove: async () => undefined }
}

describeWith({ otherwise: postgresLacking() }, 'webhooks on PostgreSQL', () => webhookStoreContract('postgres', place))
