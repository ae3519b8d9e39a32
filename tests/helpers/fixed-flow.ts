import type { Flow } from '../../agent/flow.ts'

/** Three connections and chunks of one length, whatever the line does. @param length bytes */
export function fixedFlow(length: number): Flow {
  return {
    connections: () => 3,
    nextLength: () => length,
    rate: () => 0,
    sliceLength: () => 256 * 1024,
    begin: () => undefined,
    moved: () => undefined,
    delivered: () => undefined,
  }
}
