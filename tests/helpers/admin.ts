/** The token of whoever tests a server that wants tokens. */
export const ADMIN = 'an-admin-token-for-tests'

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

/** A token that any agent can be enrolled with, as often as a test needs. */
export async function enrolAll(url: string, headers: Record<string, string>): Promise<string> {
  const response = await fetch(`${url}/enrolments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ clients: '*', uses: 1000 }),
  })
  const { secret } = (await response.json()) as { secret: string }
  return secret
}
