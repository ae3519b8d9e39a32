import type { z } from 'zod'
import {
  auditListSchema,
  credentialListSchema,
  credentialRequestSchema,
  credentialSchema,
  enrolmentListSchema,
  enrolmentRequestSchema,
  enrolmentSchema,
  revokedSchema,
  tokenListSchema,
  tokenRequestSchema,
  tokenSchema,
} from '../../shared/access.ts'
import {
  batchSchema,
  clientListSchema,
  clientSchema,
  downloadListSchema,
  downloadRequestSchema,
  downloadSchema,
} from '../../shared/operator.ts'
import {
  beginRequestSchema,
  beginSchema,
  chunksSchema,
  completeRequestSchema,
  failRequestSchema,
  jobsSchema,
  jobStateSchema,
  problemSchema,
  sessionRequestSchema,
  sessionSchema,
  updateReportSchema,
} from '../../shared/protocol.ts'

/** The messages by the names that the API's description gives them. */
export const schemas = {
  SessionRequest: sessionRequestSchema,
  Session: sessionSchema,
  Jobs: jobsSchema,
  JobState: jobStateSchema,
  Chunks: chunksSchema,
  BeginRequest: beginRequestSchema,
  Begun: beginSchema,
  CompleteRequest: completeRequestSchema,
  FailRequest: failRequestSchema,
  UpdateReport: updateReportSchema,
  DownloadRequest: downloadRequestSchema,
  Download: downloadSchema,
  DownloadList: downloadListSchema,
  Batch: batchSchema,
  Client: clientSchema,
  ClientList: clientListSchema,
  TokenRequest: tokenRequestSchema,
  Token: tokenSchema,
  TokenList: tokenListSchema,
  EnrolmentRequest: enrolmentRequestSchema,
  Enrolment: enrolmentSchema,
  EnrolmentList: enrolmentListSchema,
  CredentialRequest: credentialRequestSchema,
  Credential: credentialSchema,
  CredentialList: credentialListSchema,
  AuditList: auditListSchema,
  Revoked: revokedSchema,
  Problem: problemSchema,
} satisfies Record<string, z.ZodType>

export type SchemaName = keyof typeof schemas
