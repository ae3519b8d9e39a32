import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../../shared/errors.ts'
import { UpdateFailure } from '../../update/failure.ts'
import {
  MAX_LIST,
  MAX_PACKED,
  packedName,
  READY,
  readOutcome,
  readySchema,
  SIGNATURE,
  SUMS,
  type Ready,
} from '../../update/files.ts'
import { readInstalled, textOf } from '../installed.ts'
import { SERVICE, UNIT, type ServicePaths } from '../paths.ts'
import type { Systemd } from '../systemd.ts'
import { pointTo, targetOf } from './links.ts'
import { versionFile, type UpdatePaths } from './paths.ts'
import { readTrial, removeTrial, writeOutcome, writeTrial, type Trial } from './records.ts'
import { openStaged, type Staged } from './staged.ts'
import { tryOut } from './try-out.ts'
import { unpack } from './unpack.ts'
import { verifyRelease } from './verify.ts'

export interface UpdateDeps {
  paths: ServicePaths
  systemd: Systemd
  /** Of this program, which has proved itself. */
  version: string
  /** As Node names it: `linux-x64`. */
  platform: string
  /** How long a new version may take to reach its server, and must stay then, in ms. */
  withinMs: number
  staysMs: number
  say: (line: string) => void
}

/** How long a new version may take to reach its server, and must stay then, in ms. */
export const CONTACT_WITHIN_MS = 300_000
export const STAYS_MS = 10_000

/**
 * Root's part of an update: takes what the agent fetched, believes nothing but the signature, and has the new version prove
 * itself before the one before is let go. After a power cut it goes on with that.
 * @returns whether nothing was left undone
 * @throws Error for what is no order at all, or what the system says
 */
export async function update(deps: UpdateDeps): Promise<boolean> {
  const { paths, say } = deps
  await mkdir(paths.update.own, { recursive: true, mode: 0o755 })
  const trial = await readTrial(paths.update)
  if (trial) return prove(trial, deps)
  const staged = await openStaged(paths.update.staged)
  try {
    const order = staged && (await readOrder(staged))
    if (!staged || !order) {
      say('there is nothing to install')
      return true
    }
    if ((await readOutcome(paths.update.outcome))?.id === order.id) {
      say(`the order for ${order.version} has ended before`)
      return true
    }
    const next = await prepare(order, staged, deps)
    return next !== undefined && (await prove(next, deps))
  } finally {
    await staged?.close()
  }
}

/** @throws UpdateFailure, and what is wrong with it */
async function readOrder(staged: Staged): Promise<Ready> {
  const text = (await staged.read(READY, MAX_LIST)).toString()
  return readySchema.parse(JSON.parse(text))
}

/** @returns what is to be tried; undefined when that was refused */
async function prepare(order: Ready, staged: Staged, deps: UpdateDeps): Promise<Trial | undefined> {
  const { paths, say } = deps
  try {
    const trial = await install(order, staged, deps)
    await writeTrial(paths.update, trial)
    return trial
  } catch (error) {
    const detail = error instanceof UpdateFailure ? error.message : new UpdateFailure(messageOf(error)).message
    say(`${order.version} is not installed: ${detail}`)
    await writeOutcome(paths.update, order, { outcome: 'refused', detail })
    return undefined
  } finally {
    await rm(paths.update.copy, { force: true })
  }
}

/** Puts a version beside the one that is in use. @throws UpdateFailure, what the system says */
async function install(
  { id, version }: Ready,
  staged: Staged,
  { paths, platform, version: own }: UpdateDeps,
): Promise<Trial> {
  const { key: keyFile, command, copy } = paths.update
  const key = await textOf(keyFile)
  if (key === undefined || (await readInstalled(paths)).variables['UPDATES'] === 'off')
    throw new UpdateFailure('this site does not take updates from its server')
  const previous = await targetOf(command)
  const current = versionIn(previous, paths.update)
  if (previous === undefined || current === undefined)
    throw new UpdateFailure(`${command} is no link that install.sh made: run install.sh to update this site`)
  const release = {
    sums: await staged.read(SUMS, MAX_LIST),
    signature: await staged.read(SIGNATURE, MAX_LIST),
    version,
  }
  const digest = verifyRelease(release, { key, platform, installed: [own, current] })
  const name = packedName(version, platform)
  if ((await staged.copy(name, copy, MAX_PACKED)) !== digest)
    throw new UpdateFailure(`${name} is not what was signed (its SHA-256 is another)`)
  const file = versionFile(paths.update, version)
  await unpack({ packed: copy, digest, version, to: file })
  return { id, version, file, previous }
}

/** Which version a file of the library is. */
function versionIn(file: string | undefined, paths: UpdatePaths): string | undefined {
  const prefix = versionFile(paths, '')
  return file?.startsWith(prefix) && file.length > prefix.length ? file.slice(prefix.length) : undefined
}

/** Has a version prove itself, or goes back. @returns whether it did */
async function prove(trial: Trial, deps: UpdateDeps): Promise<boolean> {
  const { paths, systemd, withinMs, staysMs, say } = deps
  const { command, updater } = paths.update
  if (![trial.file, trial.previous].includes((await targetOf(command)) ?? '')) return superseded(trial, deps)
  await pointTo(command, trial.file)
  say(`trying ${trial.version}`)
  const { CLIENT_ID: clientId = '', CLIENT_PORT: port } = (await readInstalled(paths)).variables
  const why = await tryOut({ systemd, port, clientId, withinMs, staysMs })
  if ((await targetOf(command)) !== trial.file) return superseded(trial, deps)
  if (why === undefined) {
    await pointTo(updater, trial.file)
    await close(trial, { outcome: 'installed' }, deps)
    await clear(trial, paths.update)
    say(`${SERVICE} ${trial.version} is installed`)
    return true
  }
  await pointTo(command, trial.previous)
  // It was there if the power was cut just after the new one had proved itself.
  if ((await targetOf(updater)) === trial.file) await pointTo(updater, trial.previous)
  const detail = `${trial.version} was installed and did not work: ${why}. ${trial.previous.split('/').at(-1)} is back`
  // Before it starts: it would begin anew with the order.
  await close(trial, { outcome: 'rolled-back', detail }, deps)
  say(detail)
  await systemd.control('reset-failed', UNIT).catch(() => undefined)
  // A start that fails is tried again by systemd.
  await systemd.control('restart', UNIT).catch((error: unknown) => say(messageOf(error)))
  for (const path of [trial.file, `${trial.file}.sha256`]) await rm(path, { force: true })
  return false
}

/** Somebody who may has installed another version meanwhile. */
async function superseded(trial: Trial, deps: UpdateDeps): Promise<boolean> {
  const detail = `another version was installed by hand while ${trial.version} was to prove itself`
  deps.say(detail)
  await close(trial, { outcome: 'refused', detail }, deps)
  return true
}

/** Ends a trial, also where that cannot be written down, as on a full disk: it would begin anew, over and over. */
async function close(
  trial: Trial,
  how: Parameters<typeof writeOutcome>[2],
  { paths, say }: Pick<UpdateDeps, 'paths' | 'say'>,
): Promise<void> {
  await writeOutcome(paths.update, trial, how).catch((error: unknown) =>
    say(`cannot write down what became of ${trial.version}: ${messageOf(error)}`),
  )
  await removeTrial(paths.update)
}

/** The version before stays, to go back to by hand. */
async function clear({ file, previous }: Trial, { library }: UpdatePaths): Promise<void> {
  const kept = [file, previous].flatMap((path) => [path, `${path}.sha256`])
  for (const name of await readdir(library)) {
    const path = join(library, name)
    if (name.startsWith(`${SERVICE}-`) && !kept.includes(path)) await rm(path, { force: true })
  }
}
