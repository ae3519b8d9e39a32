import type { Stack } from './stack.ts'

/** How many polls the server holds at this moment, as its metrics say. */
export async function openPolls(stack: Stack): Promise<number> {
  const text = await (await fetch(`${stack.url}/metrics`)).text()
  return Number(/^backhaul_polls_open (\d+)$/m.exec(text)?.[1])
}
