import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf, systemCode } from '../shared/errors.ts'
import { proofText, type ProofParts } from '../shared/proof-text.ts'
import { makeFolder, syncFolder } from '../shared/folder.ts'
import { renameFile } from '../shared/rename.ts'
import { makeFile, replaceFile } from '../shared/replace-file.ts'

/** What this site proves itself with: a key that is made here and never leaves, and the server's name for it. */
export interface Credential {
  /** 32 bytes as base64url. */
  publicKey: string
  /** The server's name for the key; undefined before it was enrolled. */
  id: string | undefined
  /** Remembers what the server calls the key, on disk before it returns. */
  enrolled(id: string): Promise<void>
  /** `Authorization` for a request that the server's nonce was given for. */
  prove(parts: Omit<ProofParts, 'clientId' | 'credentialId'>): string
}

/** The key in use, and the one that is to take its place. */
export interface Keys {
  /** Made when there is none. @throws Error that says why it cannot be kept: without a key a site is nobody */
  current(): Promise<Credential>
  /** How old the one in use is, in ms. */
  age(): Promise<number>
  /** The next one, if there is one. */
  next(): Promise<Credential | undefined>
  /** Makes a next one, in a file that is on disk before it returns. */
  make(): Promise<Credential>
  /** The server knows the next key, and took it: from now on it is the one in use. */
  promote(): Promise<void>
  /** The server never took it. */
  drop(): Promise<void>
}

const CURRENT = { key: 'key.pem', id: 'credential.json' }
const NEXT = { key: 'next-key.pem', id: 'next-credential.json' }
type Files = typeof CURRENT

/** The files of `dir` that hold a private key, or may come to. */
export function keyFiles(dir: string): string[] {
  return [CURRENT, NEXT].map(({ key }) => join(dir, key))
}

const idSchema = z.object({ id: z.uuid(), clientId: z.string(), publicKey: z.string() })

/** Ed25519 keys (RFC 8032) in `dir`, in files that only their owner can read. */
export function openKeys({ dir, clientId }: { dir: string; clientId: string }): Keys {
  let inUse: Promise<Credential> | undefined
  const load = async (files: Files): Promise<Credential | undefined> => {
    const key = await readKey(join(dir, files.key))
    return key && createCredential({ dir, clientId, key, files })
  }
  const make = async (files: Files): Promise<Credential> => {
    const key = await writeKey(dir, files.key)
    return createCredential({ dir, clientId, key, files })
  }

  return {
    current() {
      inUse ??= load(CURRENT)
        .then((loaded) => loaded ?? make(CURRENT))
        .catch((error: unknown) => {
          inUse = undefined
          throw error
        })
      return inUse
    },
    async age() {
      await this.current()
      return Date.now() - (await stat(join(dir, CURRENT.key))).mtimeMs
    },
    next: () => load(NEXT),
    make: () => make(NEXT),
    async promote() {
      // Whatever comes of it, the files decide.
      inUse = undefined
      await renameFile(join(dir, NEXT.key), join(dir, CURRENT.key))
      // In this order on the disk, too: an id without its key is nobody's.
      await syncFolder(dir)
      await renameFile(join(dir, NEXT.id), join(dir, CURRENT.id))
      await syncFolder(dir)
    },
    async drop() {
      for (const name of [NEXT.id, NEXT.key]) await rm(join(dir, name), { force: true })
    },
  }
}

async function createCredential({
  dir,
  clientId,
  key,
  files,
}: {
  dir: string
  clientId: string
  key: KeyObject
  files: Files
}): Promise<Credential> {
  const publicKey = String(createPublicKey(key).export({ format: 'jwk' }).x)
  let id = await findId(dir, files, { clientId, publicKey })

  return {
    publicKey,
    get id() {
      return id
    },
    async enrolled(given) {
      await replaceFile(join(dir, files.id), JSON.stringify({ id: given, clientId, publicKey }))
      id = given
    },
    prove({ purpose, nonce, subject, origin }) {
      const credentialId = id ?? ''
      const text = proofText({ purpose, clientId, credentialId, nonce, subject, origin })
      const signature = sign(null, Buffer.from(text), key).toString('base64url')
      const parameters = { purpose, client: clientId, credential: credentialId, nonce, subject, origin, signature }
      return `Backhaul-Key ${Object.entries(parameters)
        .map(([name, value]) => `${name}="${value}"`)
        .join(', ')}`
    },
  }
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  try {
    const key = createPrivateKey(await readFile(path, 'utf8'))
    // Another kind would be enrolled, and then prove nothing.
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`it is no Ed25519 key, but ${key.asymmetricKeyType}`)
    return key
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    const todo = "let the agent's user read it, or remove it and enrol this site anew"
    throw new Error(`${path} cannot be used: ${messageOf(error)}; ${todo}`, { cause: error })
  }
}

/** @returns the key that is there now: whoever was first has the one that counts */
async function writeKey(dir: string, name: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519')
  const text = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  try {
    // A site that is enrolled must find its key again after a power cut: its folder, too, must be on disk.
    await makeFolder(dir, 0o700)
    await makeFile(join(dir, name), text)
    return privateKey
  } catch (error) {
    const first = systemCode(error) === 'EEXIST' ? await readKey(join(dir, name)) : undefined
    if (first) return first
    throw new Error(`the key of this site cannot be kept in ${dir}: ${messageOf(error)}. Set STATE_DIR`, {
      cause: error,
    })
  }
}

/** Where the power failed in the middle of a promotion, the id lies under the other name still. */
async function findId(
  dir: string,
  files: Files,
  known: { clientId: string; publicKey: string },
): Promise<string | undefined> {
  const own = await loadId(join(dir, files.id), known)
  if (own !== undefined) return own
  const other = files === CURRENT ? NEXT : CURRENT
  const id = await loadId(join(dir, other.id), known)
  if (id !== undefined) await replaceFile(join(dir, files.id), JSON.stringify({ id, ...known }))
  return id
}

/** The id belongs to one key and one client: after a change of either, the site enrols anew. */
async function loadId(
  path: string,
  { clientId, publicKey }: { clientId: string; publicKey: string },
): Promise<string | undefined> {
  try {
    const known = idSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    return known.clientId === clientId && known.publicKey === publicKey ? known.id : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}
