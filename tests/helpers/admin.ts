/** The token of whoever tests a server that wants tokens. */
export const ADMIN = 'an-admin-token-for-tests'

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

/** A token that any agent can be enrolled with, as often as a test needs. */
export async function enrolAll(url: string, headers: Record<string, string>): Promise<string> {
  const response = await fetch(`${url}/enrolments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ clients: '*', uses: 100_000 }),
  })
  const { secret } = (await response.json()) as { secret: string }
  return secret
}

/** @throws Error when there is a token or a private key in what a program said */
export function checkNoSecret(output: string): void {
  // Of one letter alone it is the fuzzer's, which says it everywhere.
  const secret = new RegExp(`bh[oebs]_(?!A{36})[A-Za-z0-9_-]{36}|${ADMIN}|-----BEGIN (?:\\w+ )?PRIVATE KEY`)
  const found = secret.exec(output)
  if (found) throw new Error(`a secret was told: ${found[0]} in\n${output}`)
}
