import { messageOf, systemCode } from './errors.ts'

const unsigned = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
])

/** Why no TLS came about, and what to do, in words for people; undefined for every other error. */
export function handshakeFailure(error: unknown): string | undefined {
  const code = systemCode(error) ?? ''
  const message = messageOf(error)
  // Without what Node tells its own users to do.
  if (unsigned.has(code))
    return `the server's certificate is signed by nobody who is trusted here (${message.split(';')[0]}); set CA_FILE to its authority's certificate`
  if (code === 'CERT_HAS_EXPIRED')
    return "the server's certificate has expired; renew it there, or set the clock here, if that is wrong"
  if (code === 'CERT_NOT_YET_VALID') return "the server's certificate is not valid yet; is the clock here right?"
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the server's certificate is for another name (${message}); call the server by a name that is in it`
  if (message.includes(OTHER_KEY)) return message
  if (code === 'EPROTO' && /wrong version number|packet length too long/.test(message))
    return 'what answers there speaks no TLS; for a server of plain HTTP write http://'
  return undefined
}

/** How a check of pins begins to complain. */
export const OTHER_KEY = 'the server has another key than the pinned one'
