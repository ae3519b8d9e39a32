import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import type { Sha256 } from '../../../shared/digest.ts'
import { isNewer } from '../../../shared/version-order.ts'
import { UpdateFailure } from '../../update/failure.ts'
import { digestIn, packedName } from '../../update/files.ts'

export interface Release {
  /** SHA256SUMS, as the agent fetched it. */
  sums: Buffer
  /** SHA256SUMS.sig: base64. */
  signature: Buffer
  /** The version that is to be installed. */
  version: string
}

/**
 * Whether a release may be installed here.
 * @param at.key PEM of the key that signs releases @param at.installed versions that are here: it must be newer than each
 * @returns the SHA-256 that the packed executable must have
 * @throws UpdateFailure saying why not
 */
export function verifyRelease(
  { sums, signature, version }: Release,
  at: { key: string; platform: string; installed: readonly string[] },
): Sha256 {
  if (!verify(null, sums, publicKey(at.key), Buffer.from(signature.toString(), 'base64')))
    throw new UpdateFailure(
      'the signature of the release is wrong: it was not made with the key that this site trusts. Nothing was installed',
    )
  // What is read from here on was signed.
  const name = packedName(version, at.platform)
  const digest = digestIn(sums.toString(), name)
  if (digest === undefined) throw new UpdateFailure(`the signed release has no ${name}, or more than one`)
  const newest = at.installed.find((installed) => !isNewer(version, installed))
  if (newest !== undefined)
    throw new UpdateFailure(`${version} is not newer than ${newest}, which is installed: an update never goes back`)
  return digest
}

/** Whose signature counts. @throws UpdateFailure */
export function publicKey(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // As said below.
  }
  throw new UpdateFailure('the key for releases is no Ed25519 key (PEM); run install.sh again')
}
