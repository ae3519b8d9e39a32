import { expect, test } from '@jest/globals'
import { createLag } from '../../server/stores/s3/lag.ts'

test('bytes are due once they are old enough, and stay due', () => {
  let now = 0
  const lag = createLag({ age: 5000, now: () => now })
  lag.told(10)
  now = 4000
  lag.told(20)
  expect(lag.due()).toBe(0)
  now = 5000
  expect(lag.due()).toBe(10)
  now = 8999
  expect(lag.due()).toBe(10)
  now = 9000
  expect(lag.due()).toBe(30)
  expect(lag.due()).toBe(30)
})

test('bytes that come close behind each other are remembered as one, as old as the first of them', () => {
  let now = 0
  const lag = createLag({ age: 1000, now: () => now })
  for (; now < 250; now += 10) lag.told(1)
  expect(now).toBe(250)
  lag.told(100)
  now = 1000
  expect(lag.due()).toBe(25)
  now = 1250
  expect(lag.due()).toBe(125)
})
