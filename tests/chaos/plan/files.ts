import type { Policy } from '../../../shared/protocol.ts'
import type { Version } from '../content.ts'
import type { Random } from '../random.ts'
import type { Scale } from './scale.ts'

/** A file of a client, and what happens to it. */
export interface FilePlan {
  client: number
  /** Below the client's folder, or an absolute path outside of it. */
  path: string
  kind:
    | 'still'
    /** Bytes are added to its end all the time. */
    | 'growing'
    /** Bytes in its middle are written over all the time. */
    | 'rewritten'
    /** Not there before somebody asks again. */
    | 'late'
    | 'absent'
    | 'outside'
    | 'folder'
    | 'pipe'
  /** At the start. */
  version: Version
  /** Under which it may be asked for. */
  policy: Policy
  /** How often it may be asked for. */
  times: number
}

const KiB = 1024
const MiB = 1024 * KiB
const CHUNK = 4 * MiB
const edges = [0, 1, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1]
const oddNames = [
  'it\'s späße & "more" 100%.txt',
  '-rf',
  ' spaces ',
  'menü 🍕.bin',
  'a\nbreak',
  'con.txt',
  '%2e%2e',
  'x'.repeat(200),
]

/** The files of all clients. */
export function planFiles(random: Random, scale: Scale): FilePlan[] {
  let key = random.int(1, 1_000_000) * 1000
  const version = (size: number): Version => ({ size, key: (key += 1), patches: [] })
  const file = (client: number, path: string, size: number, more: Partial<FilePlan> = {}): FilePlan => ({
    client: client % scale.clients,
    path,
    kind: 'still',
    version: version(size),
    policy: 'fail',
    times: 2,
    ...more,
  })
  const islands = Array.from({ length: 8 }, () => ({
    at: random.int(0, scale.sparse - MiB),
    length: random.int(1, 64 * KiB),
    key: (key += 1),
  }))
  const odd = (client: number): FilePlan[] => [
    file(client, `absent-${client}`, 0, { kind: 'absent' }),
    file(client, '/etc/hostname', 0, { kind: 'outside' }),
    file(client, 'folder', 0, { kind: 'folder' }),
    file(client, 'pipe', 0, { kind: 'pipe' }),
    file(client, `late-${client}.csv`, random.int(1, MiB), { kind: 'late' }),
    file(client, random.pick(oddNames), random.int(1, 256 * KiB)),
  ]
  const clients = Array.from({ length: scale.clients }, (_, client) => client)
  const tiny = clients.flatMap((client) =>
    Array.from({ length: scale.tiny }, (_, index) => file(client, `tiny-${index}.txt`, random.int(0, 16 * KiB))),
  )
  const special = [
    file(0, 'sparse.img', scale.sparse, {
      version: { size: scale.sparse, key: null, patches: islands },
      times: 1,
    }),
    file(1, 'growing.log', random.int(1, CHUNK), { kind: 'growing', policy: 'prefix', times: 4 }),
    file(2, 'menu.db', random.int(MiB, 2 * CHUNK), { kind: 'rewritten', policy: 'restart', times: 3 }),
    file(3, 'till.db', random.int(MiB, 2 * CHUNK), { kind: 'rewritten', policy: 'fail', times: 3 }),
  ]
  const small = [
    ...clients.flatMap(odd),
    ...tiny,
    ...special,
    ...edges.map((size, client) => file(client, `size-${size}`, size)),
  ]
  return [...small, ...bulk(random, scale, file)]
}

/** What makes the run long: files of random sizes until there are bytes enough. */
function bulk(
  random: Random,
  { bytes, largest, clients }: Scale,
  file: (client: number, path: string, size: number, more: Partial<FilePlan>) => FilePlan,
): FilePlan[] {
  const files: FilePlan[] = []
  for (let left = bytes; left > 0;) {
    const size = random.int(largest / 16, largest)
    const policy = random.pick(['fail', 'restart', 'reread', 'size-only'] as const)
    files.push(file(random.int(0, clients - 1), `bulk-${files.length}.bin`, size, { policy, times: 1 }))
    left -= size
  }
  return files
}
