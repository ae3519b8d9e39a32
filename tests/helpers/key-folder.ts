import { createPublicKey, randomUUID, verify } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Credential } from '../../agent/credential.ts'
import { proofText } from '../../shared/proof-text.ts'

/** What a server knows of a key. */
export interface Known {
  clientId: string
  publicKey: string
  id: string
}

/** Makes a folder in `parent` as a stop left it: these files, and nothing else. */
export async function leftBehind(parent: string, files: Readonly<Record<string, string>>): Promise<string> {
  const dir = join(parent, randomUUID())
  await mkdir(dir, { mode: 0o700 })
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text, { mode: 0o600 })
  return dir
}

/** Whether a server that knows this would believe what the credential signs, as docs/PROTOCOL.md says. */
export function proves(credential: Credential, { clientId, publicKey, id }: Known): boolean {
  const asked = { purpose: 'session', nonce: 'n.1-2_3', subject: 'instance', origin: 'https://hub.example' } as const
  const [, rest = ''] = /^Backhaul-Key (.*)$/.exec(credential.prove(asked)) ?? []
  const { signature = '', ...sent } = Object.fromEntries(
    [...rest.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
  const wanted: Record<string, string> = { ...asked, client: clientId, credential: id }
  if (Object.keys({ ...sent, ...wanted }).some((name) => sent[name] !== wanted[name])) return false
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
  const text = proofText({ ...asked, clientId, credentialId: id })
  return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
}

/** The public half of a key's file, as the server gets it. */
export function publicKeyOf(pem: string): string {
  return String(createPublicKey(pem).export({ format: 'jwk' }).x)
}

/** The rights of a file or folder, as in `0o600`. */
export async function rightsOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}
