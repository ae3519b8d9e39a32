import { constants, type Stats } from 'node:fs'
import { access, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { messageOf, systemCode } from '../shared/errors.ts'
import { CliError } from './errors.ts'
import { safeName } from './names.ts'

/** Where content goes: a stream that cannot take back a byte, or a file; a `folder` still needs the file's own name. */
export type Target =
  | { kind: 'stdout' }
  | { kind: 'device'; path: string }
  | { kind: 'file'; path: string; overwrite: boolean }
  | { kind: 'folder'; path: string; overwrite: boolean }

/**
 * What `output` stands for: `-` is standard output, a folder gets the file's own name, a device or a pipe is written to directly,
 * anything else is a file, which is replaced.
 * @param overwrite whether a file may be replaced whose name the user did not type
 * @throws CliError `output-invalid` when nothing can be written there, so that this is known before a transfer
 */
export async function resolveTarget(output: string, cwd: string, overwrite: boolean): Promise<Target> {
  if (output === '-') return { kind: 'stdout' }
  const path = resolve(cwd, output)
  const found = await statOf(path)
  if (found?.isDirectory()) return { kind: 'folder', path: await writable(path), overwrite }
  if (found && !found.isFile()) return { kind: 'device', path }
  if (/[/\\]$/.test(output)) throw new CliError('output-invalid', `There is no folder ${path}; make it first.`)
  // Through a symbolic link, the file behind it is meant: replacing the link would be a surprise.
  const real = found ? await realpath(path) : path
  await writable(dirname(real))
  return { kind: 'file', path: real, overwrite: true }
}

/**
 * The file in `folder` that is called like `name`, made safe.
 * @throws CliError `file-exists` when there is one already and it must not be replaced
 */
export async function fileIn(folder: string, name: string, overwrite: boolean): Promise<Target> {
  const path = join(await writable(folder), safeName(name))
  if (!overwrite && (await statOf(path))) throw fileExists(path)
  return { kind: 'file', path, overwrite }
}

/** The refusal to replace a file whose name the user did not type. */
export function fileExists(path: string): CliError {
  return new CliError('file-exists', `${path} exists already; --force replaces it, or name another file.`)
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw new CliError('output-invalid', `Cannot use ${path}: ${messageOf(error)}.`, { cause: error })
  }
}

async function writable(folder: string): Promise<string> {
  try {
    await access(folder, constants.W_OK | constants.X_OK)
    return folder
  } catch (error) {
    const what = systemCode(error) === 'ENOENT' ? 'there is no such folder; make it first' : messageOf(error)
    throw new CliError('output-invalid', `Cannot write to ${folder}: ${what}.`, { cause: error })
  }
}
