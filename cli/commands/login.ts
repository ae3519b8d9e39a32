import type { Command } from 'commander'
import { askSecret } from '../ask-secret.ts'
import type { Connect, Context } from '../context.ts'
import { CliError } from '../errors.ts'
import { isToken } from '../token-file.ts'

const examples = `
Examples:
  backhaul --server https://hub.example login                 asks for the token, without showing it
  backhaul login < data/admin-token
  BACKHAUL_TOKEN=... backhaul clients                         for a script: nothing is kept`

/** `backhaul login` and `logout`: the token of this user, for one server. */
export function addLogin(program: Command, connect: Connect): void {
  program
    .command('login')
    .description('keep a token for this server, read from standard input, so that it is in no history')
    .addHelpText('after', examples)
    .action((_flags: unknown, command: Command) => login(connect(command)))
  program
    .command('logout')
    .description('forget the token for this server')
    .action((_flags: unknown, command: Command) => logout(connect(command)))
}

async function login({ api, access, screen, stdin, stderr, signal }: Context): Promise<void> {
  const token = await askSecret({ stdin, stderr, prompt: 'Token: ', signal })
  if (token === '') throw new CliError('usage', 'No token came on standard input.')
  if (!isToken(token))
    throw new CliError('usage', 'What came on standard input is no token: its one line, and nothing else, is wanted.')
  access.use(token)
  // A token that is not good is not kept.
  await api.downloads([['limit', '1']])
  await access.keep(token)
  if (screen.asJson) return screen.json({ server: access.server, file: access.file })
  screen.note(`Logged in to ${access.server}; the token is kept in ${access.file}.`)
}

async function logout({ access, screen }: Context): Promise<void> {
  await access.keep(undefined)
  if (screen.asJson) return screen.json({ server: access.server, file: access.file })
  screen.note(`Forgot the token for ${access.server}. It stays in force: an admin can revoke it.`)
}
