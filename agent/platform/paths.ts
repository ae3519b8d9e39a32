import { posix, win32, type PlatformPath } from 'node:path'

/** How a system names files: what is a path there, and when two names are one. */
export interface PathRules {
  path: PlatformPath
  /** Where the kernel tells a process of itself. Elsewhere anybody could make a folder of that name. */
  proc?: string
  /** Whether its file systems usually know no case. */
  foldsCase: boolean
  /** What is asked for as the plain path that it means; undefined for what no file is called. */
  plain(requested: string): string | undefined
  /** The names of an absolute path from its root on; on Windows the drive or the share is the first. */
  namesOf(path: string): string[]
  /** Equal for names that may lead to the same file. Only to find what is meant: what may be read is compared exactly. */
  fold(name: string): string
  /** A link's target that is absolute, as a path that says everything; `folder` is where the link lies. */
  whole(target: string, folder: string): string
  /** A path without links as the system tells it, in one spelling. */
  canonical(real: string): string
  /** A path, or a pattern of paths, as globs are written: `/` between names. */
  forGlobs(text: string): string
}

const notEmpty = (name: string): boolean => name !== '' && name !== '.'

/** As POSIX has it. */
const plain: PathRules = {
  path: posix,
  foldsCase: false,
  plain: (requested) => requested,
  namesOf: (path) => path.split('/').filter(notEmpty),
  fold: (name) => name,
  whole: (target) => target,
  canonical: (real) => real,
  forGlobs: (text) => text,
}

/** There an é is one character or two, whichever the file was made with, and both are the same name. */
const compose = (text: string): string => text.normalize('NFC')

const linux: PathRules = { ...plain, proc: '/proc/self' }

const macos: PathRules = {
  ...plain,
  foldsCase: true,
  fold: (name) => compose(name).toLowerCase(),
  forGlobs: compose,
}

const windows: PathRules = {
  path: win32,
  foldsCase: true,
  plain(requested) {
    const path = requested
      .replaceAll('/', '\\')
      .replace(/^\\\\\?\\(?=[A-Z]:\\)/i, '')
      .replace(/^\\\\\?\\UNC\\/i, '\\\\')
    // What is left of these are devices, pipes and volumes.
    if (/^\\(\\[?.]|\?\?)(\\|$)/.test(path)) return undefined
    const names = path.replace(/^[A-Z]:(?=\\)/i, '').split('\\')
    return names.every(isName) ? path : undefined
  },
  namesOf(path) {
    const { root } = win32.parse(path)
    return [root.replace(/[\\/]+$/, ''), ...path.slice(root.length).split(/[\\/]/).filter(notEmpty)]
  },
  fold: (name) => name.toLowerCase(),
  whole: (target, folder) =>
    /^[\\/](?![\\/])/.test(target) ? win32.parse(folder).root.replace(/[\\/]+$/, '') + target : target,
  canonical: (real) => real.replace(/^[a-z]:/, (drive) => drive.toUpperCase()),
  forGlobs: (text) => text.replaceAll('\\', '/').replace(/^\/\//, '/'),
}

/** Devices, in every folder, whatever follows the dot. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)/i

/** Whether a file can be called so. A colon begins a stream of a file, by which a rule would not know it; dots and spaces at the end are cut off by some calls, and by others not. */
function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return true
  // oxlint-disable-next-line no-control-regex -- no name has them
  return !/[<>:"|?*\u0000-\u001f]|[. ]$/.test(name) && !DEVICE.test(name)
}

/** @param platform as `process.platform` has it */
export function pathRulesOf(platform: NodeJS.Platform): PathRules {
  return { win32: windows, darwin: macos, linux }[platform as string] ?? plain
}

export const ownPaths = pathRulesOf(process.platform)
