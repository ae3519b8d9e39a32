import { describe, expect, test } from '@jest/globals'
import { readEnvironment, type Environment } from '../../shared/env.ts'
import { readProxy } from '../../shared/proxy.ts'

const read = (env: Environment, server = 'https://hub.example.com') => {
  const reader = readEnvironment(env)
  const proxy = readProxy(reader, new URL(server))
  reader.finish()
  return proxy
}

describe('the proxy of the environment', () => {
  test('by the scheme of the server; lower case first; a scheme may be missing', () => {
    const env = { HTTPS_PROXY: 'http://s.example:1', HTTP_PROXY: 'h.example:2' }
    expect(read(env)?.shown).toBe('http://s.example:1')
    expect(read(env, 'http://hub.example.com')?.shown).toBe('http://h.example:2')
    expect(read({ ...env, https_proxy: 'https://lower.example' })?.shown).toBe('https://lower.example')
    expect(read({ HTTPS_PROXY: ' ' })).toBeUndefined()
    expect(read({})).toBeUndefined()
  })

  test('user and password are never in what is shown', () => {
    expect(read({ HTTPS_PROXY: 'http://till:p%40ss@p.example:3128' })).toEqual({
      url: 'http://till:p%40ss@p.example:3128/',
      shown: 'http://p.example:3128',
      hasPassword: true,
      variable: 'HTTPS_PROXY',
    })
  })

  test.each([
    'http://till:hidden/x@p.example:1',
    'http://till:12/hidden@p.example:1',
    'http://till:hidden%zz@p.example:1',
    'http://till:hidden@',
    'socks5://till:hidden@p.example:1',
    'http://p.example:99999',
  ])('%s is a mistake, told without what it holds', (text) => {
    expect(() => read({ HTTPS_PROXY: text })).toThrow(/^HTTPS_PROXY must read http:\/\/HOST:PORT or (?!.*hidden)/)
  })

  test.each([
    ['*', true],
    ['hub.example.com', true],
    ['HUB.example.com', true],
    ['example.com', true],
    ['.example.com', true],
    ['*.example.com', true],
    ['other.example, example.com', true],
    ['other.example example.com', true],
    ['hub.example.com:443', true],
    ['hub.example.com:8443', false],
    ['ample.com', false],
    ['hub.example', false],
    [',', false],
  ])('NO_PROXY=%s', (list, exempt) => {
    expect(read({ HTTPS_PROXY: 'http://p:1', NO_PROXY: list }) === undefined).toBe(exempt)
  })

  test.each(['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000'])('none for %s', (server) => {
    expect(read({ HTTP_PROXY: 'http://p:1' }, server)).toBeUndefined()
  })

  test.each(['10.0.0.7', '[fd00::7]', 'fd00::7', '[fd00::7]:3000'])('an address: %s', (entry) => {
    const server = entry.startsWith('10') ? 'http://10.0.0.7:3000' : 'http://[fd00::7]:3000'
    expect(read({ HTTP_PROXY: 'http://p:1', NO_PROXY: entry }, server)).toBeUndefined()
    expect(read({ HTTP_PROXY: 'http://p:1', NO_PROXY: '10.0.0.8' }, server)).toBeDefined()
  })
})
