import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { syncFolder } from '../../../shared/folder.ts'
import { readySchema, type Outcome, type Ready } from '../../update/files.ts'
import { textOf } from '../installed.ts'
import { writeFiles } from '../write.ts'
import type { UpdatePaths } from './paths.ts'

/** A version that has to prove itself, and the one to go back to: paths of executables. */
const trialSchema = readySchema.extend({ file: z.string(), previous: z.string() })
export type Trial = z.infer<typeof trialSchema>

/** What is being tried, also if the power was cut meanwhile. @throws Error for a file of root's that is damaged */
export async function readTrial({ trial }: UpdatePaths): Promise<Trial | undefined> {
  const text = await textOf(trial)
  return text === undefined ? undefined : trialSchema.parse(JSON.parse(text))
}

export async function writeTrial({ trial: path }: UpdatePaths, trial: Trial): Promise<void> {
  await writeFiles([{ path, text: JSON.stringify(trial), mode: 0o644 }])
}

export async function removeTrial({ trial }: UpdatePaths): Promise<void> {
  await rm(trial, { force: true })
  await syncFolder(dirname(trial))
}

/** Tells the agent, and whoever asks for the status. */
export async function writeOutcome(
  { outcome: path }: UpdatePaths,
  { id, version }: Ready,
  how: Pick<Outcome, 'outcome' | 'detail'>,
): Promise<void> {
  const outcome: Outcome = { id, version, ...how, at: new Date().toISOString() }
  await writeFiles([{ path, text: JSON.stringify(outcome), mode: 0o644 }])
}
