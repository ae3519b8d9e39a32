import { describe, expect, test } from '@jest/globals'
import { networkOf } from '../../server/address.ts'

describe('the network of an address', () => {
  test.each([
    ['2001:db8::1', '2001:db8::ffff'],
    ['2001:db8::1', '2001:db8::a:b:c:d'],
    ['2001:db8:1::1', '2001:db8:1:0:1:2:3:4'],
    ['2001:DB8:0:0:1::', '2001:0db8::1'],
    ['2a01:4f8:c17:b8f::1', '2a01:4f8:c17:b8f:ffff:ffff:ffff:ffff'],
  ])('is the same for %s and %s, which one caller has both of', (one, other) => {
    expect(networkOf(one)).toBe(networkOf(other))
  })

  test.each([
    ['2001:db8::1', '2001:db8:0:1::1'],
    ['::1', '1::1'],
    ['198.51.100.1', '198.51.100.2'],
    ['::ffff:198.51.100.1', '::ffff:198.51.100.2'],
    ['', '::1'],
  ])('is not the same for %s and %s', (one, other) => {
    expect(networkOf(one)).not.toBe(networkOf(other))
  })
})
