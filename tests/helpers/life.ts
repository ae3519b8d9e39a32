import * as fc from 'fast-check'

/** What becomes of a chunk on its way. */
export type Harm = 'none' | 'other digest' | 'damaged' | 'short' | 'long' | 'cut'

/** What can happen between a site, its agents and the server. Numbers are drawn from what there is, modulo. */
export type Step =
  /** `gated`: its last bytes come only with the next `settle`. */
  | { do: 'put'; agent: number; start: number; length: number; harm: Harm; gated: boolean }
  | { do: 'put again'; which: number; agent: number }
  | { do: 'begin'; agent: number; version: 0 | 1 }
  | { do: 'complete'; agent: number; honest: boolean }
  | { do: 'take over' | 'cancel' | 'fail' | 'retry' | 'restart' | 'settle' }

const harm = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Harm>('none') },
  { weight: 3, arbitrary: fc.constantFrom<Harm>('other digest', 'damaged', 'short', 'long', 'cut') },
)
/** How many sessions ago: mostly the newest acts. */
const agent = fc.constantFrom(0, 0, 0, 0, 1, 2)
const put = fc.record({
  do: fc.constant('put' as const),
  agent,
  start: fc.nat(999),
  length: fc.nat(400),
  harm,
  gated: fc.boolean(),
})
const again = fc.record({ do: fc.constant('put again' as const), which: fc.nat(20), agent })
const begin = fc.record({
  do: fc.constant('begin' as const),
  agent,
  // Mostly the version that is there already.
  version: fc.constantFrom<0 | 1>(0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
})
const complete = fc.record({ do: fc.constant('complete' as const), agent, honest: fc.boolean() })
const event = (
  ...what: Extract<Step, { do: 'take over' | 'cancel' | 'fail' | 'retry' | 'restart' | 'settle' }>['do'][]
) => fc.record({ do: fc.constantFrom(...what) })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 50, arbitrary: put },
  { weight: 10, arbitrary: again },
  { weight: 20, arbitrary: begin },
  { weight: 8, arbitrary: complete },
  { weight: 24, arbitrary: event('take over', 'settle') },
  { weight: 8, arbitrary: event('restart', 'retry') },
  // These end a life, or nearly.
  { weight: 2, arbitrary: event('fail', 'cancel') },
)

const size = fc.constantFrom(1000, 1000, 1000, 700, 1, 0)

/** A life of one download: `awaited` says of each step whether it has ended when the next one begins. */
export const life = fc.record({
  policy: fc.constantFrom('fail' as const, 'restart' as const),
  sizes: fc.tuple(size, size),
  steps: fc.array(fc.record({ step, awaited: fc.boolean() }), { maxLength: 40, size: 'max' }),
})
export type Life = typeof life extends fc.Arbitrary<infer T> ? T : never
