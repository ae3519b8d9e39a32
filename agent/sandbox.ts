import { readFile, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { ownPaths } from './platform/paths.ts'

// What a service manager hides from a service (systemd.exec(5), Sandboxing) looks like a file that is not there.

/** One mount, as /proc/self/mountinfo tells it (proc(5)). */
interface Mount {
  id: string
  parent: string
  /** The folder of its file system that is seen. */
  root: string
  /** Where it is seen. */
  point: string
  /** `shared:1`, `master:2`. */
  propagation: string[]
}

/** What hides a path. */
export interface Hiding {
  /** The folder or file that something else was put over. */
  over: string
  /** The directive that did it: `ProtectHome=`. */
  by: string
  /** Nothing below it can be shown, but by another value of the directive. */
  sealed: boolean
}

const MAX_LINKS = 40
/** A service with files of its own has it; nothing else has. */
const MARK = '/run/systemd/incoming'
/** systemd's own empty files and folders, which nobody may open; in a container they are the host's. */
const SEAL = /^\/(systemd|host)\/inaccessible\//

/**
 * Whether this process sees something else at a path than the machine has there, because its service manager put it there.
 * It says nothing of what the machine has. Only on Linux; elsewhere, and where nothing can be told, undefined.
 * @param path absolute; links in it are followed, so it must be one whose links may be
 */
export async function hidingOf(path: string): Promise<Hiding | undefined> {
  if (ownPaths.proc === undefined) return undefined
  const text = await readFile(`${ownPaths.proc}/mountinfo`, 'utf8').catch(() => '')
  const mounts = parseMounts(text)
  const top = mounts.find(({ point, parent }) => point === '/' && mounts.every(({ id }) => id !== parent))
  if (!top || mounts.every(({ point }) => point !== MARK)) return undefined
  const base = mountOf('/', top, mounts)
  const seen = mountOf(await withoutLinks(path), top, mounts)
  if (seen === base) return undefined
  return toHiding(seen, base)
}

/** Follows links as far as there are any; what is not there stays as it is named. */
async function withoutLinks(path: string): Promise<string> {
  let current = '/'
  let pending = path.split('/')
  for (let links = 0; pending.length > 0;) {
    const [name = '', ...rest] = pending
    pending = rest
    if (name === '' || name === '.') continue
    const next = name === '..' ? dirname(current) : join(current, name)
    const target = name === '..' ? undefined : await readlink(next).catch(() => undefined)
    if (target === undefined || links >= MAX_LINKS) {
      current = next
      continue
    }
    links += 1
    pending = [...target.split('/'), ...pending]
    if (isAbsolute(target)) current = '/'
  }
  return current
}

export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line): Mount[] => {
    const [id, parent, , root, point, , ...more] = line.split(' ')
    if (!id || !parent || !root || !point) return []
    return [{ id, parent, root: decoded(root), point: decoded(point), propagation: more.slice(0, more.indexOf('-')) }]
  })
}

/** Spaces and the like are written in octal. */
const decoded = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))

/** The mount in which a path lies: down from the top, for mounts that others were put over are in the list, too. */
function mountOf(path: string, top: Mount, mounts: readonly Mount[]): Mount {
  let current = top
  const names = path.split('/').filter((name) => name !== '')
  for (let depth = 0; depth <= names.length; depth += 1) {
    const point = `/${names.slice(0, depth).join('/')}`
    const over = (): Mount | undefined =>
      mounts.find((mount) => mount.point === point && mount.parent === current.id && mount !== current)
    for (let next = over(); next; next = over()) current = next
  }
  return current
}

function toHiding({ root, point, propagation }: Mount, base: Mount): Hiding | undefined {
  if (SEAL.test(root)) return { over: point, by: sealOf(point), sealed: true }
  if (root.includes('/systemd-private-')) return { over: point, by: 'PrivateTmp=', sealed: false }
  // A service sees the machine's mounts as copies that follow them; what follows none was made for the service alone.
  const follows = ({ propagation: tags }: Pick<Mount, 'propagation'>): boolean =>
    tags.some((tag) => tag.startsWith('master:'))
  if (follows(base) && !follows({ propagation })) return { over: point, by: coverOf(point), sealed: false }
  return undefined
}

const homes = ['/home', '/root', '/run/user']

function sealOf(point: string): string {
  return homes.includes(point) ? 'ProtectHome=' : 'InaccessiblePaths='
}

function coverOf(point: string): string {
  if (homes.includes(point)) return 'ProtectHome='
  if (point === '/tmp' || point === '/var/tmp') return 'PrivateTmp='
  if (point === '/dev') return 'PrivateDevices='
  if (point === '/proc') return 'ProtectProc='
  return 'TemporaryFileSystem='
}
