import type { Delivery } from '../webhook-ports.ts'
import { numberOrNull, type Row } from './rows.ts'

export function toDelivery(row: Row): Delivery {
  return {
    event: String(row['event']),
    at: Number(row['at']),
    body: String(row['body']),
    attempts: Number(row['attempts']),
    lastStatus: numberOrNull(row['last_status']),
  }
}
