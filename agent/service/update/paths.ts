import { join } from 'node:path'
import { SERVICE } from '../names.ts'

/** What an update is made of, and where root puts it. */
export interface UpdatePaths {
  /** Whose signature counts. */
  key: string
  pathUnit: string
  serviceUnit: string
  /** The agent's folder, which nothing here trusts or changes. */
  staged: string
  /** Root's own, which the agent can read. */
  own: string
  /** How the last order ended. */
  outcome: string
  /** There while a new version has to prove itself. */
  trial: string
  /** The packed executable, once it is out of the agent's reach. */
  copy: string
  /** Where the versions lie. */
  library: string
  /** A link to the version that has proved itself, and carries out updates. */
  updater: string
  /** The link by which the agent is started. */
  command: string
}

export const UPDATE = `${SERVICE}-update`
export const UPDATE_PATH_UNIT = `${UPDATE}.path`
export const UPDATE_UNIT = `${UPDATE}.service`

/** @param root another place than `/`, for tests */
export function updatePathsUnder(root: string): UpdatePaths {
  const at = (path: string): string => join(root, path)
  const own = at(`/var/lib/${UPDATE}`)
  const library = at(`/usr/local/lib/${SERVICE}`)
  return {
    key: at(`/etc/${SERVICE}/release.pub`),
    pathUnit: at(`/etc/systemd/system/${UPDATE_PATH_UNIT}`),
    serviceUnit: at(`/etc/systemd/system/${UPDATE_UNIT}`),
    staged: at(`/var/lib/${SERVICE}/update`),
    own,
    outcome: join(own, 'outcome.json'),
    trial: join(own, 'trial'),
    copy: join(own, 'incoming.gz'),
    library,
    updater: join(library, 'updater'),
    command: at(`/usr/local/bin/${SERVICE}`),
  }
}

/** Where a version lies. */
export const versionFile = ({ library }: UpdatePaths, version: string): string => join(library, `${SERVICE}-${version}`)
