import type { Role, SignIn } from '../../../shared/access.ts'
import { call } from './api.ts'

/** Who looks, and what they may. */
export type Session = SignIn

const ranks: Record<Role, number> = { reader: 0, operator: 1, admin: 2 }

/** Whether the role is at least this one. */
export const may = ({ role }: Session, least: Role): boolean => role !== null && ranks[role] >= ranks[least]

export const readSession = (): Promise<Session> => call<Session>('/sign-in')
/** @throws Refused `unauthenticated` for a wrong token */
export const signIn = (token: string): Promise<Session> =>
  call<Session>('/sign-in', { method: 'POST', body: { token } })
export const signOut = (): Promise<void> => call('/sign-in', { method: 'DELETE' })
