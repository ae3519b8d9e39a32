import type { Measure, MeasurementName } from './measurement.ts'
import { polls } from './polls.ts'
import { sdk } from './sdk.ts'
import { several } from './several.ts'
import { writes } from './writes.ts'

export const measurements: Record<MeasurementName, Measure> = { sdk, several, polls, writes }
