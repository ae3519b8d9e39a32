import { AppError, isAppError, messageOf, systemCode } from '../../../shared/errors.ts'

interface Failure {
  name?: string
  $metadata?: { httpStatusCode?: number }
}

/** The object store's own code for a failure (`NoSuchKey`), or that of the system or the SDK. */
export function codeOf(error: unknown): string {
  const name = (error as Failure | undefined)?.name
  return systemCode(error) ?? (name === undefined || name === 'Error' ? messageOf(error) : name)
}

const statusOf = (error: unknown): number => (error as Failure | undefined)?.$metadata?.httpStatusCode ?? 0

const missing: ReadonlySet<string> = new Set(['NoSuchKey', 'NoSuchUpload'])

/** Whether an object, or an upload, is not there, in the store's own words. */
export const isMissing = (error: unknown): boolean => missing.has(codeOf(error))

/** A 404 without a word of the store's: the answer to a HEAD, or that of a proxy behind which the store is away. */
export const isBare404 = (error: unknown): boolean =>
  statusOf(error) === 404 && (error as { Code?: string }).Code === undefined

/** Whether a conditional put found an object. 409: somebody else is just making it. */
export const isTaken = (error: unknown): boolean => statusOf(error) === 412 || statusOf(error) === 409

const passing: ReadonlySet<string> = new Set(
  (
    'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH EADDRNOTAVAIL ' +
    'ERR_STREAM_PREMATURE_CLOSE TimeoutError SlowDown ThrottlingException RequestTimeout ' +
    // Damaged or cut off on the way there; `Unknown` is no answer of an object store.
    'Unknown UnknownError BadDigest IncompleteBody XAmzContentSHA256Mismatch'
  ).split(' '),
)

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error)
  return passing.has(codeOf(error)) || status >= 500 || status === 429 || isBare404(error) || hasHungUp(error)
}

/** Without a code: Node's words, or those of the SDK for what it does not take for an Error. */
const hasHungUp = (error: unknown): boolean =>
  /socket hang up|aborted|wrapper for TimeoutError|ECONN/.test(messageOf(error))

const refused: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket; check STORAGE_URL',
  PermanentRedirect: 'the bucket lies in another region; check AWS_REGION',
  AuthorizationHeaderMalformed: 'the bucket lies in another region; check AWS_REGION',
  AccessDenied: 'it does not let this key use the bucket; check the rights of AWS_ACCESS_KEY_ID',
  InvalidAccessKeyId: 'it does not know this key; check AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'the secret does not fit the key; check AWS_SECRET_ACCESS_KEY',
  ExpiredToken: 'the credentials have expired; check AWS_SESSION_TOKEN and what renews it',
  RequestTimeTooSkewed: "this machine's clock is wrong; set it",
  CredentialsProviderError: 'there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
}

const full: ReadonlySet<string> = new Set(['QuotaExceeded', 'XMinioStorageFull', 'InsufficientCapacity'])

/** Why the object store does not do its work, in words that say what to do; undefined for any other error. */
export function whyRefused(error: unknown): string | undefined {
  const code = codeOf(error)
  // A HEAD is refused without a code.
  return refused[code] ?? (statusOf(error) === 403 ? `${refused['AccessDenied']}, and its secret` : undefined)
}

/** A failure of the object store that may pass, as an error of ours; any other as it is. */
export function asStoreError(error: unknown, bucket: string): unknown {
  if (isAppError(error) || isMissing(error)) return error
  const code = codeOf(error)
  if (full.has(code)) {
    return new AppError(
      'store-full',
      `The bucket ${bucket} takes no more (${code}); free some room.`,
      {},
      { cause: error },
    )
  }
  const silent = isBare404(error)
    ? 'something on the way answers 404 in its place'
    : 'it does not answer, or not in time'
  const why = whyRefused(error) ?? (isPassing(error) ? `${silent} (${code})` : undefined)
  if (why === undefined) return error
  const message = `The object store cannot be used now, with the bucket ${bucket}: ${why}.`
  return new AppError('store-busy', message, {}, { cause: error })
}

/** Waits for a request; undefined when what it is about is not there. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
