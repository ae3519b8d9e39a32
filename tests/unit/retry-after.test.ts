import { expect, test } from '@jest/globals'
import { retryAfterMs } from '../../shared/retry-after.ts'

test('Retry-After in seconds and as a date, which is measured against the answer, up to a limit', () => {
  expect(retryAfterMs('7', undefined, 300_000)).toBe(7000)
  expect(retryAfterMs('9999', undefined, 300_000)).toBe(300_000)
  expect(retryAfterMs('Thu, 01 Jan 1970 00:00:30 GMT', 'Thu, 01 Jan 1970 00:00:10 GMT', 300_000)).toBe(20_000)
  expect(retryAfterMs('soon', undefined, 300_000)).toBeUndefined()
})
