import type { Command } from 'commander'
import type { Enrolment } from '../../shared/access.ts'
import type { Connect, Context } from '../context.ts'
import { collectLabel, parseDuration, wholeNumber } from '../options.ts'
import { until } from '../until.ts'

interface Flags {
  uses?: number
  expires?: number
  label?: string[]
}

const examples = `
Examples:
  backhaul enrol restaurant_1 > enrol-token      for one site, within a day
  backhaul enrol 'restaurant_*' --uses 200 --expires 7d --label region=west

At the site, with that file: npm run agent -- --id restaurant_1 --server https://hub.example --enrol-file enrol-token
Without npm link, npm run -s cli -- enrol ... prints the token alone.`

/** `backhaul enrol`, `enrolments` and `revoke`: who may be a site. */
export function addEnrol(program: Command, connect: Connect): void {
  program
    .command('enrol <clients>')
    .description('make a token that agents enrol with, and print it: it is told this once')
    .option('--uses <n>', 'how many agents may use it (1 if not given)', wholeNumber(1, 100_000))
    .option('--expires <time>', 'how long it holds, such as 12h (1d if not given)', parseDuration)
    .option('--label <key=value>', 'what its clients are known by; may be repeated', collectLabel)
    .addHelpText('after', examples)
    .action((clients: string, flags: Flags, command: Command) => enrol(connect(command), clients, flags))
  const enrolments = program
    .command('enrolments')
    .description('the tokens that agents enrol with: list, revoke')
    .action((_flags: unknown, command: Command) => list(connect(command)))
  enrolments
    .command('revoke <id>')
    .description('end one: who has enrolled with it stays')
    .action((id: string, _flags: unknown, command: Command) => revokeEnrolment(connect(command), id))
  program
    .command('revoke <client>')
    .description("revoke a client's credentials: what its agent has under way ends at once")
    .action((client: string, _flags: unknown, command: Command) => revoke(connect(command), client))
}

async function enrol({ api, screen }: Context, clients: string, { uses, expires, label }: Flags): Promise<void> {
  const labels = Object.fromEntries(
    (label ?? []).map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  )
  const answer = await api.enrol({
    clients,
    ...(uses === undefined ? {} : { uses }),
    ...(expires === undefined ? {} : { expiresIn: expires }),
    ...(label === undefined ? {} : { labels }),
  })
  if (screen.asJson) return screen.json(answer.raw)
  screen.result(answer.value.secret ?? '')
}

async function list({ api, screen }: Context): Promise<void> {
  const answer = await api.enrolments()
  if (screen.asJson) return screen.json(answer.raw)
  screen.table(['ID', 'CLIENTS', 'USES LEFT', 'LABELS', 'UNTIL'], answer.value.enrolments.map(row))
}

function row(enrolment: Enrolment): string[] {
  const { id, clients, usesLeft, labels } = enrolment
  const known = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
  return [id, clients, String(usesLeft), known.join(' ') || '-', until(enrolment)]
}

async function revokeEnrolment({ api, screen }: Context, id: string): Promise<void> {
  await api.revokeEnrolment(id)
  if (screen.asJson) return screen.json({ id })
  screen.note(`Revoked ${id}.`)
}

async function revoke({ api, screen }: Context, client: string): Promise<void> {
  const answer = await api.revokeClient(client)
  if (screen.asJson) return screen.json(answer.raw)
  screen.note(`${client} has no credential any more (${answer.value.revoked} revoked).`)
}
