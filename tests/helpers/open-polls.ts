/** How many polls the server holds at this moment, as its metrics say. */
export async function openPolls({ url }: { url: string }, headers: Record<string, string> = {}): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers })).text()
  return Number(/^backhaul_polls_open (\d+)$/m.exec(text)?.[1])
}
