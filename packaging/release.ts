import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOfFile } from '../shared/file-digest.ts'
import { projectFolder } from './project.ts'

/** Who signs releases: an Ed25519 key (RFC 8032), made at the first release, which only its owner can read. */
export async function openKey(file: string): Promise<KeyObject> {
  try {
    return createPrivateKey(await readFile(file))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const { privateKey } = generateKeyPairSync('ed25519')
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  return privateKey
}

/** The public half of a key, as PEM. */
export function publicKeyOf(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
}

/** Writes the script that installs what a key has signed: whoever trusts the script needs to trust nothing else. */
export async function writeInstaller({ to, key }: { to: string; key: KeyObject }): Promise<void> {
  const script = await readFile(join(projectFolder, 'packaging/agent/install.sh'), 'utf8')
  await save(to, script.replace('@RELEASE_KEY@', publicKeyOf(key).trim()), 0o755)
}

/**
 * Writes SHA256SUMS of files in a folder, as `sha256sum` does, its signature (base64) and the public key.
 * The names have the version in them: an old release is not passed off as a new one.
 */
export async function signSums({
  folder,
  files,
  key,
}: {
  folder: string
  files: readonly string[]
  key: KeyObject
}): Promise<void> {
  const lines = await Promise.all(files.map(async (name) => `${await digestOfFile(join(folder, name))}  ${name}\n`))
  const sums = Buffer.from(lines.toSorted().join(''))
  await save(join(folder, 'release.pub'), publicKeyOf(key))
  await save(join(folder, 'SHA256SUMS'), sums)
  await save(join(folder, 'SHA256SUMS.sig'), `${sign(null, sums, key).toString('base64')}\n`)
}

/**
 * Makes a folder the release that was made in another: what says what there is comes last, so that whoever fetches meanwhile
 * finds what was signed.
 */
export async function publish({ from, to }: { from: string; to: string }): Promise<void> {
  const lists = ['SHA256SUMS.sig', 'SHA256SUMS']
  const names = (await readdir(from)).filter((name) => !lists.includes(name))
  for (const name of [...names, ...lists]) await rename(join(from, name), join(to, name))
}

async function save(file: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await writeFile(`${file}.part`, content, { mode })
  await rename(`${file}.part`, file)
}
