import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf, systemCode } from '../shared/errors.ts'
import { proofText, type ProofParts } from '../shared/proof-text.ts'
import { replaceFile } from '../shared/replace-file.ts'

/** What this site proves itself with: a key that is made here and never leaves, and the server's name for it. */
export interface Credential {
  /** 32 bytes as base64url. */
  publicKey: string
  /** The server's name for the key; undefined before it was enrolled. */
  id: string | undefined
  /** Remembers what the server calls the key, on disk before it returns. */
  enrolled(id: string): Promise<void>
  /** `Authorization` for a request that the server's nonce was given for. */
  prove(parts: Pick<ProofParts, 'purpose' | 'nonce' | 'subject'>): string
}

const KEY = 'key.pem'
const ID = 'credential.json'
const idSchema = z.object({ id: z.uuid(), clientId: z.string(), publicKey: z.string() })

/**
 * Opens the key in `dir`, or makes one: Ed25519 (RFC 8032), in a file that only its owner can read.
 * @throws Error that says why the key cannot be kept: without one a site is nobody
 */
export async function openCredential({ dir, clientId }: { dir: string; clientId: string }): Promise<Credential> {
  const key = await loadKey(dir)
  const publicKey = String(createPublicKey(key).export({ format: 'jwk' }).x)
  let id = await loadId(dir, { clientId, publicKey })

  return {
    publicKey,
    get id() {
      return id
    },
    async enrolled(given) {
      await replaceFile(join(dir, ID), JSON.stringify({ id: given, clientId, publicKey }))
      id = given
    },
    prove({ purpose, nonce, subject }) {
      const credentialId = id ?? ''
      const text = proofText({ purpose, clientId, credentialId, nonce, subject })
      const signature = sign(null, Buffer.from(text), key).toString('base64url')
      const parameters = { purpose, client: clientId, credential: credentialId, nonce, subject, signature }
      return `Backhaul-Key ${Object.entries(parameters)
        .map(([name, value]) => `${name}="${value}"`)
        .join(', ')}`
    },
  }
}

async function loadKey(dir: string): Promise<KeyObject> {
  const path = join(dir, KEY)
  try {
    return createPrivateKey(await readFile(path, 'utf8'))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw new Error(`${path} cannot be used: ${messageOf(error)}`, { cause: error })
  }
  const { privateKey } = generateKeyPairSync('ed25519')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  // Never over another: whoever was first has the key that counts.
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(privateKey.export({ format: 'pem', type: 'pkcs8' }))
    await file.sync()
  } finally {
    await file.close()
  }
  return privateKey
}

/** The id belongs to one key and one client: after a change of either, the site enrols anew. */
async function loadId(
  dir: string,
  { clientId, publicKey }: { clientId: string; publicKey: string },
): Promise<string | undefined> {
  try {
    const known = idSchema.parse(JSON.parse(await readFile(join(dir, ID), 'utf8')))
    return known.clientId === clientId && known.publicKey === publicKey ? known.id : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}
