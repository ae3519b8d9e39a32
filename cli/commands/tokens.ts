import { Option, type Command } from 'commander'
import { roles, type Role, type Token } from '../../shared/access.ts'
import type { Connect, Context } from '../context.ts'
import { collect, parseDuration } from '../options.ts'
import { until } from '../until.ts'

interface Flags {
  role: Role
  client?: string[]
  path?: string[]
  content?: boolean
  expires?: number
}

const examples = `
Examples:
  backhaul tokens
  backhaul tokens create "head office" --role operator
  backhaul tokens create auditor --role reader --client 'shop_*' --expires 30d > token
  backhaul tokens revoke ID`

/** `backhaul tokens`: of operators. */
export function addTokens(program: Command, connect: Connect): void {
  const tokens = program
    .command('tokens')
    .description('the tokens of operators: list, create, revoke')
    .addHelpText('after', examples)
    .action((_flags: unknown, command: Command) => list(connect(command)))
  tokens
    .command('create <name>')
    .description('make a token, and print it: it is told this once')
    .addOption(
      new Option('--role <role>', 'reader looks, operator asks as well, admin may everything')
        .choices(roles)
        .default('operator'),
    )
    .option('--client <pattern>', 'only for these clients, * for any characters; may be repeated', collect)
    .option('--path <glob>', 'only for these paths; may be repeated', collect)
    .option('--content', 'may download content, though a reader')
    .option('--no-content', 'may not download content')
    .option('--expires <time>', 'how long it holds, such as 30d; for ever if not given', parseDuration)
    .action((name: string, flags: Flags, command: Command) => create(connect(command), name, flags))
  tokens
    .command('revoke <id>')
    .description('end a token, and what is under way with it')
    .action((id: string, _flags: unknown, command: Command) => revoke(connect(command), id))
}

async function list({ api, screen }: Context): Promise<void> {
  const answer = await api.tokens()
  if (screen.asJson) return screen.json(answer.raw)
  screen.table(['ID', 'NAME', 'ROLE', 'CLIENTS', 'PATHS', 'CONTENT', 'UNTIL'], answer.value.tokens.map(row))
}

function row(token: Token): string[] {
  const { id, name, role, clients, paths, content } = token
  return [id, name, role, clients?.join(' ') ?? 'all', paths?.join(' ') ?? 'all', content ? 'yes' : 'no', until(token)]
}

async function create({ api, screen }: Context, name: string, flags: Flags): Promise<void> {
  const { role, client, path, content, expires } = flags
  const answer = await api.createToken({
    name,
    role,
    ...(client === undefined ? {} : { clients: client }),
    ...(path === undefined ? {} : { paths: path }),
    ...(content === undefined ? {} : { content }),
    ...(expires === undefined ? {} : { expiresIn: expires }),
  })
  if (screen.asJson) return screen.json(answer.raw)
  screen.result(answer.value.secret ?? '')
}

async function revoke({ api, screen }: Context, id: string): Promise<void> {
  await api.revokeToken(id)
  if (screen.asJson) return screen.json({ id })
  screen.note(`Revoked ${id}.`)
}
