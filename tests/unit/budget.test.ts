import { expect, test } from '@jest/globals'
import { createBudget } from '../../shared/budget.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('who finds too little left waits for its turn, also behind somebody who wants more', async () => {
  const budget = createBudget(10)
  const { signal } = new AbortController()
  const admitted: string[] = []
  const reserve = async (name: string, bytes: number): Promise<() => void> => {
    const giveBack = await budget.reserve(bytes, signal)
    admitted.push(name)
    return giveBack
  }
  const first = await reserve('first', 6)
  const large = reserve('more than there is', 1000)
  const small = reserve('small', 1)
  await turn()
  expect(admitted).toEqual(['first'])
  first()
  const giveBackLarge = await large
  await turn()
  expect(admitted).toEqual(['first', 'more than there is'])
  giveBackLarge()
  ;(await small)()
  await budget.reserve(10, signal)
})

test('who goes away while waiting takes nothing, and lets the next one in', async () => {
  const budget = createBudget(10)
  const { signal } = new AbortController()
  const giveBack = await budget.reserve(5, signal)
  const gone = new AbortController()
  const leaving = budget.reserve(10, gone.signal)
  const behind = budget.reserve(5, signal)
  gone.abort(new Error('gone'))
  await expect(leaving).rejects.toThrow('gone')
  ;(await behind)()
  giveBack()
  await budget.reserve(10, signal)
  await expect(budget.reserve(1, gone.signal)).rejects.toThrow('gone')
})
