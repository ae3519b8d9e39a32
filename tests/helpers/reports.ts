import type { Report } from '../../server/stores/open.ts'

/** Where nothing is expected to fail that no caller waits for. */
export const unexpected: Report = (error, what) => {
  throw new Error(what, { cause: error })
}

/** Where connections are broken on purpose. */
export const expected: Report = () => undefined
