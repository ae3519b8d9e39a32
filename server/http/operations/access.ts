import type { Operations } from '../operation.ts'
import { queries } from '../parameters.ts'

/** Tokens, enrolments, credentials, and the audit. */
export const accessOperations: Operations = {
  'GET /sign-in': {
    id: 'getSignIn',
    access: 'public',
    summary: 'Whether a token is needed here, and whose the caller has',
    answers: { 200: 'SignIn' },
  },
  'POST /sign-in': {
    id: 'signIn',
    access: 'public',
    summary: "An operator's token, for the pages of this server in one browser",
    request: 'SignInRequest',
    answers: { 200: { content: 'SignIn', headers: ['Set-Cookie'] } },
    problems: ['unauthenticated'],
  },
  'DELETE /sign-in': {
    id: 'signOut',
    access: 'public',
    summary: 'The browser forgets the token, which stays in force',
    answers: { 204: { content: 'nothing', headers: ['Set-Cookie'] } },
  },
  'POST /tokens': {
    id: 'createToken',
    access: 'admin',
    summary: 'A token for an operator; its secret is told this once',
    request: 'TokenRequest',
    answers: { 201: 'Token' },
  },
  'GET /tokens': {
    id: 'listTokens',
    access: 'admin',
    summary: 'The tokens of operators',
    answers: { 200: 'TokenList' },
  },
  'DELETE /tokens/{id}': {
    id: 'revokeToken',
    access: 'admin',
    summary: 'Revoke a token',
    answers: { 204: 'nothing' },
    problems: ['token-unknown'],
  },
  'POST /enrolments': {
    id: 'createEnrolment',
    access: 'admin',
    summary: 'A token that agents trade for credentials; its secret is told this once',
    request: 'EnrolmentRequest',
    answers: { 201: 'Enrolment' },
  },
  'GET /enrolments': {
    id: 'listEnrolments',
    access: 'admin',
    summary: 'The enrolment tokens',
    answers: { 200: 'EnrolmentList' },
  },
  'DELETE /enrolments/{id}': {
    id: 'revokeEnrolment',
    access: 'admin',
    summary: 'Revoke an enrolment token',
    answers: { 204: 'nothing' },
    problems: ['token-unknown'],
  },
  'GET /credentials': {
    id: 'listCredentials',
    access: 'admin',
    summary: 'The credentials of agents',
    query: { client: queries.client.optional() },
    answers: { 200: 'CredentialList' },
  },
  'DELETE /credentials': {
    id: 'revokeCredentials',
    access: 'admin',
    summary: 'Revoke the credentials of a client; what is under way with them ends at once',
    query: { client: queries.client },
    answers: { 200: 'Revoked' },
    problems: ['credential-unknown'],
  },
  'DELETE /credentials/{id}': {
    id: 'revokeCredential',
    access: 'admin',
    summary: 'Revoke a credential; what is under way with it ends at once',
    answers: { 204: 'nothing' },
    problems: ['credential-unknown'],
  },
  'GET /audit': {
    id: 'listAudit',
    access: 'admin',
    summary: 'Who did what, and what was refused; newest first',
    query: {
      client: queries.client.optional(),
      actor: queries.actor.optional(),
      limit: queries.limit.optional(),
      cursor: queries.cursor.optional(),
    },
    answers: { 200: 'AuditList' },
  },
}
