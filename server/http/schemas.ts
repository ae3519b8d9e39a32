import { z } from 'zod'
import {
  auditListSchema,
  credentialListSchema,
  credentialRequestSchema,
  credentialSchema,
  enrolmentListSchema,
  enrolmentRequestSchema,
  enrolmentSchema,
  revokedSchema,
  signInRequestSchema,
  signInSchema,
  tokenListSchema,
  tokenRequestSchema,
  tokenSchema,
} from '../../shared/access.ts'
import { errorCodes } from '../../shared/errors.ts'
import { eventListSchema, eventSchema } from '../../shared/events.ts'
import {
  batchSchema,
  clientListSchema,
  clientSchema,
  downloadListSchema,
  downloadMapSchema,
  downloadRequestSchema,
  downloadSchema,
  overviewSchema,
  updateSchema,
} from '../../shared/operator.ts'
import {
  beginRequestSchema,
  beginSchema,
  chunksSchema,
  completeRequestSchema,
  directCommitSchema,
  directRequestSchema,
  directSchema,
  failRequestSchema,
  jobSchema,
  jobsSchema,
  jobStateSchema,
  problemSchema,
  sessionRequestSchema,
  sessionSchema,
  updateOrderSchema,
  updateReportSchema,
} from '../../shared/protocol.ts'

import {
  olderClientsSchema,
  olderDownloadSchema,
  olderFileRequestSchema,
  olderRequestedSchema,
  olderRequestSchema,
} from './older-messages.ts'

/** What callers send, by the names that the API's description gives it. */
export const requests = {
  DownloadRequest: downloadRequestSchema,
  SignInRequest: signInRequestSchema,
  TokenRequest: tokenRequestSchema,
  EnrolmentRequest: enrolmentRequestSchema,
  CredentialRequest: credentialRequestSchema,
  SessionRequest: sessionRequestSchema,
  BeginRequest: beginRequestSchema,
  DirectRequest: directRequestSchema,
  DirectCommit: directCommitSchema,
  CompleteRequest: completeRequestSchema,
  FailRequest: failRequestSchema,
  UpdateReport: updateReportSchema,
  OlderRequest: olderRequestSchema,
  OlderFileRequest: olderFileRequestSchema,
} satisfies Record<string, z.ZodType>

const healthSchema = z.object({ status: z.enum(['ok', 'ready']), timestamp: z.string() })

const knownProblemSchema = problemSchema.extend({
  code: z.enum(errorCodes).describe('Stable: what scripts compare.'),
  detail: z.string().describe('What happened, to which thing, and what to do.'),
  field: z.string().optional().describe('What of the request is wrong.'),
  errors: z
    .array(z.object({ field: z.string(), message: z.string() }))
    .optional()
    .describe('Each field that is wrong.'),
  retryAfter: z.number().optional().describe('Seconds.'),
})

/** What is answered, by the names that the API's description gives it. */
export const answers = {
  Download: downloadSchema,
  DownloadList: downloadListSchema,
  DownloadMap: downloadMapSchema,
  Batch: batchSchema,
  Event: eventSchema,
  EventList: eventListSchema,
  Client: clientSchema,
  ClientList: clientListSchema,
  Update: updateSchema,
  Overview: overviewSchema,
  SignIn: signInSchema,
  Token: tokenSchema,
  TokenList: tokenListSchema,
  Enrolment: enrolmentSchema,
  EnrolmentList: enrolmentListSchema,
  Credential: credentialSchema,
  CredentialList: credentialListSchema,
  Revoked: revokedSchema,
  AuditList: auditListSchema,
  Session: sessionSchema,
  Jobs: jobsSchema,
  Job: jobSchema,
  UpdateOrder: updateOrderSchema,
  JobState: jobStateSchema,
  Chunks: chunksSchema,
  Begun: beginSchema,
  Direct: directSchema,
  Health: healthSchema,
  OlderRequested: olderRequestedSchema,
  OlderDownload: olderDownloadSchema,
  OlderClients: olderClientsSchema,
  Problem: knownProblemSchema,
} satisfies Record<string, z.ZodType>

export type SchemaName = keyof typeof requests | keyof typeof answers
