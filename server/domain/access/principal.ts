import { normalize } from 'node:path'
import picomatch from 'picomatch'
import { roles, type Role } from '../../../shared/access.ts'
import type { ProofParts } from '../../../shared/proof-text.ts'
import type { EnrolmentRecord } from '../../access-ports.ts'

/** Who calls. */
export type Principal =
  /** Nobody has to say who they are: the server is bound to this machine alone. */
  | { kind: 'anyone' }
  | { kind: 'nobody' }
  | {
      kind: 'operator'
      id: string
      name: string
      role: Role
      content: boolean
      clients: readonly string[] | null
      paths: readonly string[] | null
    }
  | (AgentPrincipal & ({ by: 'bearer' } | { by: 'session'; session: string } | (Proven & { by: 'proof' })))
  | { kind: 'enrolment'; enrolment: EnrolmentRecord }

interface AgentPrincipal {
  kind: 'agent'
  clientId: string
  credentialId: string
}

/** What a proof was made for, and for nothing else. */
type Proven = Pick<ProofParts, 'purpose' | 'subject'>

/** What an operator's token is called; null for anybody else. */
export function nameOf(principal: Principal): string | null {
  return principal.kind === 'operator' ? principal.name : null
}

/** Whether a caller may act on what concerns a client. */
export function mayClient(principal: Principal, clientId: string): boolean {
  if (principal.kind === 'anyone') return true
  if (principal.kind === 'agent') return principal.clientId === clientId
  if (principal.kind !== 'operator') return false
  return principal.clients === null || principal.clients.some((pattern) => matchesClient(pattern, clientId))
}

/** Whether a caller may have a client's jobs. */
export function mayPoll(principal: Principal, clientId: string): boolean {
  return principal.kind !== 'operator' && mayClient(principal, clientId)
}

/** Whether an operator may act on a path of a client. The default file, null, has none: only who may have all paths may have it. */
export function mayPath(principal: Principal, path: string | null): boolean {
  if (principal.kind === 'anyone') return true
  if (principal.kind !== 'operator') return false
  if (principal.paths === null) return true
  // The agent resolves `..`; what a pattern says is compared with what comes of it.
  const plain = path === null ? null : normalize(path)
  // Whatever the site's system takes for a separator.
  if (plain === null || plain.split(/[/\\]/).includes('..')) return false
  // A backslash begins a folder on Windows, and is part of a name elsewhere: what the site is, its path does not say.
  const { paths } = principal
  const meant = [plain, normalize(plain.replaceAll('\\', '/'))]
  return meant.every((each) => paths.some((pattern) => matcherOf(pattern)(each)))
}

/** Whether an operator's role is at least `role`. */
export function hasRole(principal: Principal, role: Role): boolean {
  if (principal.kind === 'anyone') return true
  return principal.kind === 'operator' && roles.indexOf(principal.role) >= roles.indexOf(role)
}

/** `*` stands for any characters. */
export function matchesClient(pattern: string, clientId: string): boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return pattern === clientId
  if (!clientId.startsWith(first) || !clientId.slice(first.length).endsWith(last)) return false
  const end = clientId.length - last.length
  let at = first.length
  // The earliest place of each part leaves the most for the others.
  for (const part of others) {
    const found = clientId.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** Compiled once: a list is compared row by row. */
const matchers = new Map<string, (path: string) => boolean>()
const MOST_MATCHERS = 1000

function matcherOf(pattern: string): (path: string) => boolean {
  const known = matchers.get(pattern)
  if (known) return known
  if (matchers.size >= MOST_MATCHERS) matchers.clear()
  const made = picomatch(pattern, { dot: true, nonegate: true })
  matchers.set(pattern, made)
  return made
}
