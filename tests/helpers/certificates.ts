import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'

/** A certificate with its key, as files. */
export interface Pair {
  cert: string
  key: string
  /** As `curl --pinnedpubkey` takes it. */
  pin: string
}

/** A certificate authority of this test's own. */
export interface Authority {
  /** Its own certificate: whoever trusts that trusts what it issues. */
  ca: string
  /** A new key, and a certificate for 127.0.0.1. */
  issue(): Pair
}

const run = (args: string[], input?: Buffer): Buffer =>
  execFileSync('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'], ...(input === undefined ? {} : { input }) })

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function makeAuthority(folder: string): Authority {
  const place = mkdtempSync(join(folder, 'ca-'))
  const ca = join(place, 'ca.pem')
  const caKey = join(place, 'ca.key')
  run(['req', '-x509', ...newKey, '-keyout', caKey, '-out', ca, '-subj', '/CN=test authority', '-days', '2'])
  return {
    ca,
    issue() {
      const own = mkdtempSync(join(place, 'pair-'))
      const [cert, key] = [join(own, 'cert.pem'), join(own, 'key.pem')]
      const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
      run(['req', '-x509', ...newKey, '-CA', ca, '-CAkey', caKey, '-keyout', key, '-out', cert, ...subject])
      const digest = run(['dgst', '-sha256', '-binary'], run(['pkey', '-in', key, '-pubout', '-outform', 'DER']))
      return { cert, key, pin: `sha256//${digest.toString('base64')}` }
    },
  }
}

/** Puts new files in the place of others, as those who renew certificates do. */
export async function replacePair(old: Pair, by: Pair): Promise<void> {
  await rename(by.key, old.key)
  await rename(by.cert, old.cert)
}
