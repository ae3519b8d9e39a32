import { dirname } from 'node:path'
import { serviceSecrets, UNIT } from './paths.ts'

/** What a site adds to the unit; each file is whole, and left out when it would be empty. */
export interface DropIns {
  /** Folders that are shared, absolute. */
  roots: readonly string[]
  /** The default file, if one was named, absolute. */
  file: string | undefined
  groups: readonly string[]
  readAll: boolean
  /** Secrets that systemd hands to the agent: their names, files, and the variables that say where they are then. */
  secrets: readonly { name: string; file: string; variable: string }[]
}

/** By their names in the folder of drop-ins; undefined for one that is not to be. */
export function renderDropIns(wanted: DropIns): Record<string, string | undefined> {
  return {
    'roots.conf': service([...rootLines(wanted), ...shownLines(wanted)]),
    'groups.conf': service(wanted.groups.map((name) => `SupplementaryGroups=${name}`)),
    'read-all.conf': wanted.readAll ? service(readAllLines) : undefined,
    'credentials.conf': service(
      wanted.secrets.flatMap(({ name, file, variable }) => [
        `LoadCredential=${name}:${file}`,
        `Environment=${variable}=/run/credentials/${UNIT}/${name}`,
      ]),
    ),
  }
}

/** The roots that a `roots.conf` shares. */
export function rootsOf(text: string): string[] {
  const value = /^Environment="ROOTS=(.*)"$/m.exec(text)?.[1] ?? ''
  return unescape(value).split(':').filter(Boolean)
}

/** The groups of a `groups.conf`. */
export function groupsOf(text: string): string[] {
  return [...text.matchAll(/^SupplementaryGroups=(\S+)$/gm)].map(([, name]) => name ?? '')
}

const HEADER = '# Written by `backhaul-agent service install`, which writes it anew.'

function service(lines: readonly string[]): string | undefined {
  return lines.length === 0 ? undefined : [HEADER, '[Service]', ...lines, ''].join('\n')
}

const rootLines = ({ roots }: DropIns): string[] =>
  roots.length === 0 ? [] : [`Environment="ROOTS=${escape(roots.join(':'))}"`]

const homes = ['/home', '/root', '/run/user']
const temporary = ['/tmp', '/var/tmp']

const liesIn =
  (folders: readonly string[]) =>
  (path: string): boolean =>
    folders.some((folder) => path === folder || path.startsWith(`${folder}/`))

/** What the sandbox would hide is shown again, and nothing beside it. */
function shownLines({ roots, file }: DropIns): string[] {
  // A file that is replaced is another one: its folder is shown.
  const shared = [...new Set([...roots, ...(file === undefined ? [] : [dirname(file)])])]
  const hidden = shared.filter(liesIn([...homes, ...temporary]))
  return [
    // In an inaccessible folder nothing can be shown; in an empty one it can.
    ...(hidden.some(liesIn(homes)) ? ['ProtectHome=tmpfs'] : []),
    ...hidden.map((path) => `BindReadOnlyPaths="-${escape(path)}"`),
  ]
}

const readAllLines = [
  '# It may read what others may not, and still write nothing.',
  'CapabilityBoundingSet=CAP_DAC_READ_SEARCH',
  'AmbientCapabilities=CAP_DAC_READ_SEARCH',
  "# In users of its own it would count for nobody's files.",
  'PrivateUsers=no',
  '# Its own secrets are empty for it; it says that they are not shared.',
  `InaccessiblePaths=${serviceSecrets.map((path) => `-${path}`).join(' ')}`,
]

/** Within double quotes of a unit: `%` begins a specifier. */
function escape(text: string): string {
  return text.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')
}

function unescape(text: string): string {
  return text.replace(/\\(["\\])/g, '$1').replaceAll('%%', '%')
}
