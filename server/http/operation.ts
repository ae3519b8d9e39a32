import type { z } from 'zod'
import type { Role } from '../../shared/access.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { AnswerHeader } from './answer-headers.ts'
import type { SchemaName } from './schemas.ts'

/**
 * Who may call: anybody; an agent, of what is its own; who has an enrolment token, or an agent; an operator's token of at
 * least a role; one that may download content.
 */
export type Access = 'public' | 'agent' | 'enrol' | Role | 'content' | 'ask-content'

/** A message, `bytes`, `text`, a stream of `events`, a page or what it is made with, `json` of no fixed shape, or nothing. */
export type Content = SchemaName | 'bytes' | 'text' | 'events' | 'html' | 'asset' | 'json' | 'nothing'

export interface Answer {
  /** Several where it is one of them. */
  content: Content | readonly SchemaName[]
  headers: readonly AnswerHeader[]
}

export interface Operation {
  /** What programs that are made from the description call it. */
  id: string
  summary: string
  access: Access
  /** Asked often, by machines: who calls is not looked up. */
  probe?: true
  /** What the `id` in the path is of. */
  of?: 'download' | 'client'
  request?: SchemaName | 'bytes'
  /** Successful answers by their status. */
  answers: Record<number, Content | Answer>
  /** By name; one that may be left out is optional. */
  query?: Readonly<Record<string, z.ZodType>>
  headers?: Readonly<Record<string, z.ZodType>>
  /** Refusals of its own, besides those that come with its access, its body and what it is of. */
  problems?: readonly ErrorCode[]
}

/** By `METHOD /path`. */
export type Operations = Record<string, Operation>
