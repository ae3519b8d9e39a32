import type { Command } from 'commander'
import type { Connect, Context } from '../context.ts'
import { wholeNumber } from '../options.ts'

interface Flags {
  client?: string
  actor?: string
  limit?: number
}

const examples = `
Examples:
  backhaul audit
  backhaul audit --client restaurant_1 --limit 20
  backhaul audit --actor 'token head office' --json`

/** `backhaul audit`: who did what, and what was refused. */
export function addAudit(program: Command, connect: Connect): void {
  program
    .command('audit')
    .description('who did what, and what was refused; newest first')
    .option('--client <id>', 'only what concerns this client')
    .option(
      '--actor <who>',
      'only what this caller did: "token NAME", "client ID", nobody (refused), anyone (where no token is needed)',
    )
    .option('--limit <n>', 'so many entries (100 if not given)', wholeNumber(1, 1000))
    .addHelpText('after', examples)
    .action((flags: Flags, command: Command) => list(connect(command), flags))
}

async function list({ api, screen }: Context, flags: Flags): Promise<void> {
  const query = Object.entries(flags).map(([name, value]): [string, string] => [name, String(value)])
  const answer = await api.audit(query)
  if (screen.asJson) return screen.json(answer.raw)
  const rows = answer.value.entries.map(({ at, actor, address, action, clientId, path, status, code }) => {
    return [
      at,
      actor,
      address,
      action,
      clientId ?? '-',
      path ?? '-',
      code === null ? String(status) : `${status} ${code}`,
    ]
  })
  screen.table(['AT', 'WHO', 'FROM', 'WHAT', 'CLIENT', 'PATH', 'ANSWER'], rows)
}
