import { lstat, readlink, realpath } from 'node:fs/promises'
import { systemCode } from '../shared/errors.ts'
import { JobFailure, quote } from './failure.ts'
import { hiddenBy } from './hidden.ts'
import { ownPaths, type PathRules } from './platform/paths.ts'
import type { Rules } from './rules.ts'

/** What the site shares, as absolute paths: one default file and any number of folders. */
export interface Shared {
  file: string
  roots: readonly string[]
  rules?: Rules
  /** Files that nobody gets, wherever they lie: what the site proves itself with. */
  secrets?: readonly string[]
  /** Of this machine, if nothing is said. */
  paths?: PathRules
}

interface Area {
  /** As configured. */
  base: string
  /** Without symlinks; undefined when it cannot be reached, for the reason in `error`. */
  real: string | undefined
  error: unknown
  /** The default file shares itself, not what would lie under it if it were a folder. */
  exact: boolean
}

const absent = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'])
const MAX_LINKS = 40

/** Whether `error` says that a path leads to nothing. */
export function isAbsent(error: unknown): boolean {
  return absent.has(systemCode(error) ?? '')
}

/**
 * Finds the real path of what was asked for. Every link is followed by hand and must stay inside, so that neither the
 * answer nor its code tells whether something outside exists.
 * @param wanted null for the default file; relative paths are tried under each root in order, then from `/`
 * @throws JobFailure `not-allowed`, `not-found`, `hidden`; a system error where the shared area itself refuses
 */
export async function locate(wanted: string | null, shared: Shared): Promise<string> {
  const shown = quote(wanted ?? shared.file)
  const { paths = ownPaths } = shared
  if (wanted?.includes('\0')) throw new JobFailure('not-allowed', `${shown} contains NUL; no path does.`)
  const requested = wanted === null ? null : paths.plain(wanted)
  // Some of them act, or call another machine, as soon as they are looked at.
  if (requested === undefined) throw new JobFailure('not-allowed', `${shown} is no path of a file on this system.`)
  const areas = await surveyAreas(shared)
  let inside = false
  let hidden: JobFailure | undefined
  for (const candidate of candidates(requested, shared)) {
    const place = anchor(candidate, areas, paths)
    if (!place) continue
    inside = true
    try {
      const found = await walk(place, areas, paths)
      if (found !== undefined) return found
    } catch (error) {
      if (!isAbsent(error)) throw error
      hidden ??= await hiddenBy(error, shown, shared)
      continue
    }
    throw new JobFailure(
      'not-allowed',
      `${shown} is a link that leads outside of what this agent shares. Share its target with --root.`,
    )
  }
  if (hidden) throw hidden
  if (inside || staysBelow(requested, paths))
    throw new JobFailure('not-found', `${shown} does not exist at the client. Check the name and where the file lies.`)
  throw new JobFailure(
    'not-allowed',
    `${shown} is outside of what this agent shares. Start it with --root FOLDER to share more.`,
  )
}

/** A relative path names something among what is shared: where nothing is shared under it, it is not there. */
function staysBelow(requested: string | null, { path }: PathRules): boolean {
  return requested !== null && !path.isAbsolute(requested) && path.normalize(requested).split(path.sep)[0] !== '..'
}

/** Whether a path without symlinks lies within what is shared at this moment. */
export async function isShared(real: string, shared: Shared): Promise<boolean> {
  return contains(real, await surveyAreas(shared), shared.paths)
}

/** Whether a path without symlinks is the default file's. */
export async function isDefaultFile(real: string, shared: Shared): Promise<boolean> {
  const [area] = await surveyAreas({ ...shared, roots: [] })
  return area?.real === real
}

function surveyAreas({ file, roots, paths = ownPaths }: Shared): Promise<Area[]> {
  return Promise.all(
    [file, ...roots].map(async (base, index) => {
      const exact = index === 0
      try {
        return { base, real: paths.canonical(await realpath(base)), error: undefined, exact }
      } catch (error) {
        return { base, real: undefined, error, exact }
      }
    }),
  )
}

/** The absolute paths that a request can mean, in the order in which they are tried; `..` is resolved before anything is looked at. */
function candidates(requested: string | null, { file, roots, paths = ownPaths }: Shared): string[] {
  const { isAbsolute, resolve, basename } = paths.path
  if (requested === null) return [file]
  if (isAbsolute(requested)) return [resolve(requested)]
  const byName = paths.fold(requested) === paths.fold(basename(file)) ? [file] : []
  return [...byName, ...roots.map((root) => resolve(root, requested)), resolve('/', requested)]
}

interface Place {
  area: Area
  /** Still to be walked, from the area on; may hold `..`. */
  rest: string[]
}

/** The area that an absolute path starts in. The path may hold `..` further on, so names are compared one by one. */
function anchor(path: string, areas: readonly Area[], { namesOf, fold }: PathRules): Place | undefined {
  const names = namesOf(path)
  for (const area of areas) {
    for (const top of [area.base, area.real]) {
      if (top === undefined) continue
      const own = namesOf(top)
      if (!own.every((name, index) => fold(names[index] ?? '') === fold(name))) continue
      if (!area.exact || own.length === names.length) return { area, rest: names.slice(own.length) }
    }
  }
  return undefined
}

function contains(real: string, areas: readonly Area[], { path: { sep } } = ownPaths): boolean {
  return areas.some(({ real: top, exact }) => {
    if (top === undefined) return false
    return real === top || (!exact && real.startsWith(top.endsWith(sep) ? top : top + sep))
  })
}

/** @returns the real path, or undefined when a link leads outside */
async function walk(place: Place, areas: readonly Area[], paths: PathRules): Promise<string | undefined> {
  const { dirname, join } = paths.path
  if (place.area.real === undefined) throw place.area.error
  let current = place.area.real
  let pending = place.rest
  let links = 0
  while (pending.length > 0) {
    const [name = '', ...others] = pending
    pending = others
    if (name === '..') {
      current = dirname(current)
      if (!contains(current, areas, paths)) return undefined
      continue
    }
    const next = join(current, name)
    if (!(await lstat(next)).isSymbolicLink()) {
      current = next
      continue
    }
    links += 1
    const led = links > MAX_LINKS ? undefined : paths.plain(await readlink(next))
    const target = led === undefined ? undefined : anchor(fromLink(current, led, paths), areas, paths)
    if (!target) return undefined
    if (target.area.real === undefined) throw target.area.error
    current = target.area.real
    pending = [...target.rest, ...others]
  }
  return current
}

/** A link's target as an absolute path. Leading `..` can be resolved at once, for `folder` has no links; later ones cannot. */
function fromLink(folder: string, target: string, { path, whole }: PathRules): string {
  if (path.isAbsolute(target)) return whole(target, folder)
  const names = target.split(path.sep).filter((name) => name !== '' && name !== '.')
  const ups = names.findIndex((name) => name !== '..')
  const count = ups === -1 ? names.length : ups
  return [path.resolve(folder, ...names.slice(0, count)), ...names.slice(count)].join(path.sep)
}
