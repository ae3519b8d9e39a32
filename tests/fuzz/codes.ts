import { errorCodes } from '../../shared/errors.ts'

/** Every code that an agent can be told, and some that no server knows. */
export const codesOfProblems: readonly string[] = [...errorCodes, '', 'unknown', '__proto__']
