/** Carries out `work` for 0 to `count` - 1, `parallel` at a time, in this order. */
export async function inLanes(count: number, parallel: number, work: (number: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await work((next += 1) - 1)
  }
  await Promise.all(Array.from({ length: Math.min(count, parallel) }, lane))
}
