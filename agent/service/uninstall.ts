import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { textOf } from './installed.ts'
import { SERVICE, UNIT, type ServicePaths } from './paths.ts'
import { secretNames } from './plan.ts'
import type { Systemd } from './systemd.ts'
import { stopWatching } from './update/watch.ts'

/** Stops the service and removes all that it had: unit, drop-ins, settings, and the site's key. */
export async function uninstall({
  paths,
  systemd,
  say,
}: {
  paths: ServicePaths
  systemd: Systemd
  say: (line: string) => void
}): Promise<void> {
  const packaged = (await Promise.all(paths.packagedUnits.map(textOf))).some((text) => text !== undefined)
  const known = packaged || (await textOf(paths.unit)) !== undefined
  await stopWatching(systemd)
  if (known) await systemd.control('disable', '--now', '--quiet', UNIT)
  // A package counts its settings among its own files, and removes them itself.
  const settings = packaged ? secretNames.map((name) => join(paths.config, name)) : [paths.config]
  const updates = [paths.update.pathUnit, paths.update.serviceUnit, paths.update.own]
  for (const path of [...updates, paths.unit, paths.dropIns, ...settings, ...paths.made])
    await rm(path, { recursive: true, force: true })
  await systemd.control('daemon-reload')
  await systemd.control('reset-failed', UNIT).catch(() => undefined)
  if (!known) say(`there was no service ${SERVICE}`)
  else if (packaged) say(`${SERVICE} is stopped, and its keys are removed; apt-get purge ${SERVICE} removes the rest`)
  else say(`${SERVICE} is stopped, and its settings and keys are removed`)
}
