import type { Report } from '../report.ts'
import type { Place } from './place.ts'

export interface SharedOptions {
  only: readonly MeasurementName[]
  runs: number
  mib: number
  chunkMib: number
  connections: number
  files: number
  severalMib: number
  hold: number
  agents: number
  seconds: number
  wakes: number
}

export interface Surroundings {
  place: Place
  signal: AbortSignal
  say(text: string): void
}

/** What one measurement found. */
export type Findings = Pick<Report, 'about' | 'tables' | 'verdicts' | 'leftOut' | 'runs'>

/** One of the measurements of `shared`. */
export type Measure = (surroundings: Surroundings, options: SharedOptions) => Promise<Findings>

export const measurementNames = ['sdk', 'several', 'polls', 'writes'] as const
export type MeasurementName = (typeof measurementNames)[number]
