import { expect, test } from '@jest/globals'
import { tryGoingDirect } from '../../server/going-direct.ts'

const said: string[] = []
const log = { error: (_details: object, text: string): void => void said.push(text) }

test('nothing goes direct where that is not wanted', async () => {
  const mayGoDirect = await tryGoingDirect({ direct: undefined, log, signal: AbortSignal.abort() })
  expect(mayGoDirect()).toBe(false)
})

test('nothing goes direct where it must not, and that is said', async () => {
  const stopping = new AbortController()
  const check = () => Promise.reject(new Error('the store gives copies away'))
  const mayGoDirect = await tryGoingDirect({ direct: { check }, log, signal: stopping.signal })
  expect(mayGoDirect()).toBe(false)
  expect(said).toEqual(['DIRECT_UPLOADS stays off for now: the store gives copies away'])
  stopping.abort()
})

test('chunks go direct once it was tried', async () => {
  const check = () => Promise.resolve()
  const mayGoDirect = await tryGoingDirect({ direct: { check }, log, signal: new AbortController().signal })
  expect(mayGoDirect()).toBe(true)
})
