import type { Principal } from '../domain/access/principal.ts'
import { prefixes, type SecretKind } from '../domain/access/secrets.ts'
import type { Operation } from './operation.ts'

/** By its first letters, which say what a secret is for and nothing of whether it was ever good. */
const unknownSecret: Record<SecretKind, string> = {
  operator: 'This token is not known here, has run out or was revoked; ask an admin for another.',
  enrolment: 'This enrolment token is not known here, has run out or was revoked; ask an admin for another.',
  bearer: "This agent's token is not known here, or was revoked; ask an admin for another enrolment token.",
  session: 'This session is over; begin another.',
}

/** Why a cookie says of nobody who calls. */
export const SIGN_IN_OVER = 'The token of this sign-in has run out or was revoked; sign in again.'

/** Why who calls is not known, and what to do. */
export function whyNobody(authorization: string): string {
  if (authorization === '') return 'Say who you are: Authorization: Bearer TOKEN.'
  if (/^backhaul-key /i.test(authorization)) {
    return 'The key of this site is not known here or was revoked, its nonce is too old, or it calls this server by an address that is not among ORIGINS; with a new enrolment token a site without a good key is let in.'
  }
  const [, secret] = /^bearer +(.*)$/i.exec(authorization) ?? []
  if (secret === undefined) return 'Authorization must read: Bearer TOKEN.'
  const kinds = Object.keys(prefixes) as SecretKind[]
  return unknownSecret[kinds.find((kind) => secret.startsWith(prefixes[kind])) ?? 'operator']
}

/** Why who calls has no right to an operation, and what has. */
export function whyNotPermitted(principal: Principal, { access }: Operation): string {
  if (principal.kind === 'enrolment') return 'An enrolment token is good for POST /credentials, and nothing else.'
  if (principal.kind !== 'operator') return 'An agent works on the jobs of its own client, and has no right to this.'
  if (access === 'enrol')
    return "This takes an enrolment token, and not an operator's; an admin makes one: POST /enrolments."
  if (access === 'agent') return "This is for agents, and not for an operator's token."
  const another = 'an admin can make another token: POST /tokens.'
  if (access === 'content' || (principal.role === 'operator' && access === 'ask-content'))
    return `The token "${principal.name}" may not download content; ${another}`
  const wanted = access === 'ask-content' ? 'operator' : access
  return `The token "${principal.name}" has the role ${principal.role}, and this takes ${wanted}; ${another}`
}
