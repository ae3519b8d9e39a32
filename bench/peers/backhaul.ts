import { ask, finished, startBenchStack } from '../stack.ts'
import { orStop, type Peer } from './peer.ts'

/** A server and an agent with their defaults, and nothing learned before. */
export const backhaul: Peer = {
  name: 'backhaul',
  title: '**Backhaul**, verified',
  lacks: () => undefined,
  async start({ place, source, folder }) {
    const stack = await startBenchStack({
      folder,
      ...(place.server.length > 0 && {
        within: { server: place.server, agent: place.client },
        host: { here: place.host.here, agent: place.host.client },
      }),
    })
    const client = await orStop(stack, () => stack.agent('site', ['--file', source]))
    return {
      server: stack.serverPid,
      client,
      async send() {
        const begun = performance.now()
        await finished(stack, await ask(stack, 'site'))
        return (performance.now() - begun) / 1000
      },
      stop: () => stack.stop(),
    }
  },
}
