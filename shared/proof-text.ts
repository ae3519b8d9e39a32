/** What a proof is of: nothing that was signed for one use is good for another. */
export interface ProofParts {
  purpose: 'session' | 'credential'
  clientId: string
  credentialId: string
  nonce: string
  /** Of a session: its instance. Of a credential: the new public key. */
  subject: string
  /** Of the server, as the agent calls it (RFC 6454): one that hands the nonce of another on gets no proof for that one. */
  origin: string
}

/** The text that an agent signs with Ed25519 (RFC 8032). No part holds a line break. */
export function proofText({ purpose, clientId, credentialId, nonce, subject, origin }: ProofParts): string {
  return ['backhaul proof 1', purpose, clientId, credentialId, nonce, subject, origin].join('\n')
}
