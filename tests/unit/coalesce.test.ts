import { expect, test } from '@jest/globals'
import { coalesce } from '../../shared/coalesce.ts'

/** Work that ends when it is told to, one run after the other. */
function workByHand() {
  const runs: { end: () => void; fail: (error: Error) => void }[] = []
  const work = (): Promise<void> =>
    new Promise((end, fail) => {
      runs.push({ end, fail })
    })
  return { runs, work }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a run serves those who called before it began, and nobody who called while it was under way', async () => {
  const { runs, work } = workByHand()
  const share = coalesce(work)
  const ended: string[] = []
  const call = (name: string): void => void share().then(() => ended.push(name))
  call('first')
  call('with the first')
  await turn()
  call('while it runs')
  call('while it runs, too')
  await turn()
  expect(runs).toHaveLength(1)
  runs[0]?.end()
  await turn()
  expect([runs.length, ended]).toEqual([2, ['first', 'with the first']])
  runs[1]?.end()
  await turn()
  expect(ended.slice(2)).toEqual(['while it runs', 'while it runs, too'])
  call('after all')
  await turn()
  expect(runs).toHaveLength(3)
})

test('a failure is that of all who shared the run, and of nobody else', async () => {
  const { runs, work } = workByHand()
  const share = coalesce(work)
  const failing = Promise.allSettled([share(), share()])
  await turn()
  const next = share()
  runs[0]?.fail(new Error('the disk'))
  expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await turn()
  runs[1]?.end()
  await expect(next).resolves.toBeUndefined()
})
