import { readOutcome } from '../../update/files.ts'
import { textOf } from '../installed.ts'
import type { ServicePaths } from '../paths.ts'
import type { Systemd } from '../systemd.ts'
import { UPDATE_PATH_UNIT } from './paths.ts'

/** How this agent is updated, and what came of it last, in a line. @param off whether somebody said that it should not be */
export async function shownUpdates({
  paths,
  systemd,
  off,
}: {
  paths: ServicePaths
  systemd: Pick<Systemd, 'state'>
  off: boolean
}): Promise<string> {
  const { pathUnit, outcome: file } = paths.update
  const packaged = (await Promise.all(paths.packagedUnits.map(textOf))).some((text) => text !== undefined)
  if (packaged) return 'as a package'
  if (off) return 'not from the server, as this site wants it (--no-updates); run install.sh to update'
  if ((await textOf(pathUnit)) === undefined) return 'not from the server; run install.sh to update'
  const outcome = await readOutcome(file)
  const detail = outcome?.detail === undefined ? '' : `: ${outcome.detail}`
  const last = outcome ? `; ${outcome.at} ${outcome.version} ${outcome.outcome}${detail}` : ''
  const { active } = await systemd.state(UPDATE_PATH_UNIT)
  const how =
    active === 'active' ? 'from the server' : `not now, for ${UPDATE_PATH_UNIT} is ${active}: systemctl restart it`
  return how + last
}
