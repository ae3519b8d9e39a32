import { randomUUID } from 'node:crypto'
import type { SessionRequest } from '../../shared/protocol.ts'
import type { DownloadDraft } from '../../server/ports.ts'

export const sessionRequest = (clientId: string, instance: string, labels = {}): SessionRequest => ({
  protocol: 1,
  clientId,
  instance,
  takeover: true,
  agent: { version: '1', platform: 'test', hostname: 'host' },
  shared: ['/srv'],
  labels,
})

export const draft = (clientId: string, extra: Partial<DownloadDraft> = {}): DownloadDraft => ({
  id: randomUUID(),
  clientId,
  kind: 'file',
  path: null,
  priority: 0,
  policy: 'fail',
  note: null,
  batchId: null,
  askedBy: null,
  naming: 'plain',
  createdAt: 1000,
  expiresIn: 4000,
  expiresAt: 5000,
  ...extra,
})

export const always = (): 'insert' => 'insert'
export const chunk = (start: number, end: number) => ({ start, end, digest: 'a'.repeat(64), tag: '' })
