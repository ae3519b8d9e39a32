import { InvalidArgumentError } from 'commander'
import { messageOf } from '../shared/errors.ts'
import type { Part } from './bench.ts'
import { measurementNames, type Findings, type MeasurementName, type SharedOptions } from './shared/measurement.ts'
import { count } from './options.ts'
import { judge } from './report.ts'
import { MiB } from './source.ts'

export const shared: Part<SharedOptions> = {
  name: 'shared',
  description: 'servers on PostgreSQL and an S3 object store: against the bare SDK, two against one, polls, and writes',

  declare: (command) =>
    command
      .option('--only <NAMES>', `only these of ${measurementNames.join(', ')}`, chosen, measurementNames)
      .option('--runs <N>', 'runs of sdk and of several', count, 5)
      .option('--mib <N>', 'MiB that sdk and writes send', count, 1024)
      .option('--chunk-mib <N>', 'MiB of the chunks and objects of sdk', count, 8)
      .option('--connections <N>', 'connections of the uploader', count, 16)
      .option('--files <N>', 'files of sdk and writes', count, 8)
      .option('--several-mib <N>', 'MiB that several sends, to one server and to two', count, 256)
      .option('--hold <SHARE>', 'of a core that each server of several may have', share, 0.3)
      .option('--agents <N>', 'agents of polls', count, 10_000)
      .option('--seconds <N>', 'how long polls are counted', count, 20)
      .option('--wakes <N>', 'downloads that wake agents of polls', count, 1000),

  // The write-ahead log grows to 1 GiB before it is used again.
  room: () => 2048 * MiB,

  async lacks() {
    // Loaded for this part alone: the SDK takes its time.
    const { postgresLacking } = await import('../tests/helpers/postgres-server.ts')
    const { s3Lacking } = await import('../tests/helpers/s3.ts')
    return postgresLacking() ?? s3Lacking()
  },

  async run({ folder, signal, say }, options) {
    const { openPlace } = await import('./shared/place.ts')
    const { measurements } = await import('./shared/measurements.ts')
    const place = await openPlace(folder)
    const found: Partial<Record<MeasurementName, Findings>> = {}
    try {
      for (const name of options.only)
        found[name] = await tried(name, () => measurements[name]({ place, signal, say }, options))
    } finally {
      await place.remove()
    }
    const all = Object.values(found)
    return {
      name: 'shared',
      title: 'Several servers',
      about:
        'Servers on PostgreSQL and an S3 object store, all on this machine. PostgreSQL syncs, wherever it is stored; the object store is as it was found. ' +
        'Fresh processes, an empty database and an empty place in the bucket for each run.',
      tables: all.flatMap(({ about, tables }) => (about === '' ? tables : [about, ...tables])),
      verdicts: all.flatMap(({ verdicts }) => verdicts),
      leftOut: all.flatMap(({ leftOut }) => leftOut),
      panels: [],
      runs: Object.fromEntries(Object.entries(found).map(([name, { runs }]) => [name, runs])),
    }
  },
}

/** What one of them could not do must not cost what the others found; it is short of its bound. */
async function tried(name: MeasurementName, measure: () => Promise<Findings>): Promise<Findings> {
  try {
    return await measure()
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    const why = `${name} (it failed: ${messageOf(error)})`
    return {
      about: '',
      tables: [],
      verdicts: [judge(`${name}: carried out`, NaN, 'at least', 1, '')],
      leftOut: [why],
      runs: [],
    }
  }
}

/** `sdk,polls`. */
function chosen(text: string): readonly MeasurementName[] {
  return text.split(',').map((given) => {
    const name = measurementNames.find((known) => known === given.trim())
    if (name) return name
    throw new InvalidArgumentError(`They are ${measurementNames.join(', ')}.`)
  })
}

function share(text: string): number {
  const value = Number(text)
  if (value > 0 && value <= 1) return value
  throw new InvalidArgumentError('It must be a share of one core, such as 0.3.')
}
