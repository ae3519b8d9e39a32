import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { checkServerIdentity, createSecureContext, type ConnectionOptions, type PeerCertificate } from 'node:tls'
import { messageOf } from './errors.ts'
import type { EnvReader } from './env.ts'
import { OTHER_KEY } from './handshake.ts'

/** How a server is known, and who we are to it, beyond what the machine trusts anyway. */
export type TlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'checkServerIdentity' | 'rejectUnauthorized'>

/** The names under which a user finds the settings. */
export interface TlsNames {
  ca: string
  pin: string
  cert: string
  key: string
}

/**
 * Reads a private CA, a pinned key and a client certificate. Nothing here turns verification off: the pin comes on top.
 * A mistake is left with the reader.
 */
export function readTls(reader: EnvReader, names: TlsNames, server: URL): TlsOptions {
  const ca = reader.parsed(names.ca, '', readCertificates)
  const pins = reader.parsed(names.pin, '', parsePins) ?? []
  const cert = reader.parsed(names.cert, '', readPem)
  const key = reader.parsed(names.key, '', readPem)
  const given = ca !== undefined || pins.length > 0 || cert !== undefined
  if (given && server.protocol !== 'https:') {
    reader.parsed(`${names.ca}, ${names.pin}, ${names.cert}`, '', () => {
      throw new Error('mean nothing for a server of plain http://; write https://, or leave them out')
    })
  }
  // What does not fit together is found now, and not at the first connection.
  reader.parsed('TLS', '', () => checkPair({ ca, cert, key }, names))
  return {
    // Whatever the environment says.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(pins.length === 0 ? {} : { checkServerIdentity: pinned(pins) }),
  }
}

function readPem(path: string): Buffer | undefined {
  if (path === '') return undefined
  try {
    return readFileSync(path)
  } catch (error) {
    throw new Error(`cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Of a file without any, nothing would be trusted, and every connection fail without a word of this file. */
function readCertificates(path: string): Buffer | undefined {
  const pem = readPem(path)
  if (pem?.includes('-----BEGIN ') === false) throw new Error('holds no certificate in PEM form')
  return pem
}

function checkPair(
  { ca, cert, key }: Record<'ca' | 'cert' | 'key', Buffer | undefined>,
  { cert: certName, key: keyName }: TlsNames,
): void {
  if ((cert === undefined) !== (key === undefined)) throw new Error(`needs ${certName} and ${keyName} together`)
  try {
    createSecureContext({ ca, cert, key })
  } catch (error) {
    throw new Error(`cannot use these files: ${messageOf(error)}`, { cause: error })
  }
}

/** As `curl --pinnedpubkey`: `sha256//` and the digest of the key (SubjectPublicKeyInfo, RFC 7469 §2.4); several with `;`. */
function parsePins(text: string): string[] {
  const pins = text.split(';').filter((pin) => pin !== '')
  if (text === '') return []
  if (pins.length > 0 && pins.every((pin) => /^sha256\/\/[A-Za-z0-9+/]{43}=$/.test(pin))) return pins
  throw new Error('must read sha256//BASE64, several separated by ;')
}

function pinned(pins: readonly string[]): NonNullable<TlsOptions['checkServerIdentity']> {
  return (host: string, peer: PeerCertificate) => {
    const own = pinOf(peer.raw)
    return (
      checkServerIdentity(host, peer) ??
      (pins.includes(own)
        ? undefined
        : new Error(`${OTHER_KEY}: ${own}; only if it was changed on purpose, pin that one`))
    )
  }
}

function pinOf(certificate: Buffer): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256//${createHash('sha256').update(key).digest('base64')}`
}
