import { join } from 'node:path'
import { SERVICE, UNIT } from './names.ts'
import { updatePathsUnder, type UpdatePaths } from './update/paths.ts'

export { SERVICE, UNIT }

/** What the service is told in confidence: never sent, whoever may read it. */
export const serviceSecrets = ['agent.env', 'enrol-token', 'client.key'].map((name) => `/etc/${SERVICE}/${name}`)

/** Where everything of the service lies. */
export interface ServicePaths {
  unit: string
  /** Where packages put units: theirs is not replaced. */
  packagedUnits: readonly string[]
  dropIns: string
  /** Settings, secrets and certificates. */
  config: string
  env: string
  enrolToken: string
  /** What systemd makes for the unit. */
  made: readonly string[]
  /** Where the command is looked for. */
  commands: readonly string[]
  update: UpdatePaths
}

/** @param root another place than `/`, for tests */
export function pathsUnder(root: string): ServicePaths {
  const at = (path: string): string => join(root, path)
  const config = at(`/etc/${SERVICE}`)
  return {
    unit: at(`/etc/systemd/system/${UNIT}`),
    packagedUnits: [at(`/usr/lib/systemd/system/${UNIT}`), at(`/lib/systemd/system/${UNIT}`)],
    dropIns: at(`/etc/systemd/system/${UNIT}.d`),
    config,
    env: join(config, 'agent.env'),
    enrolToken: join(config, 'enrol-token'),
    made: ['lib', 'cache'].flatMap((kind) => [at(`/var/${kind}/private/${SERVICE}`), at(`/var/${kind}/${SERVICE}`)]),
    commands: [at(`/usr/local/bin/${SERVICE}`), at(`/usr/bin/${SERVICE}`)],
    update: updatePathsUnder(root),
  }
}
