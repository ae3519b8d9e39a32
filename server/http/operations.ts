import type { Operation, Operations } from './operation.ts'
import { accessOperations } from './operations/access.ts'
import { agentOperations } from './operations/agents.ts'
import { clientOperations } from './operations/clients.ts'
import { downloadOperations } from './operations/downloads.ts'
import { eventOperations } from './operations/events.ts'
import { olderOperations } from './operations/older.ts'
import { serverOperations } from './operations/server.ts'

/** Every operation, by what it is about. */
export const topics: { name: string; description: string; operations: Operations }[] = [
  { name: 'Downloads', description: 'Asking for files, and fetching them.', operations: downloadOperations },
  {
    name: 'Events',
    description: 'What happens to downloads and clients; docs/events.md tells more.',
    operations: eventOperations,
  },
  { name: 'Clients', description: 'The sites, and their agents.', operations: clientOperations },
  { name: 'Access', description: 'Who may what, and who did what.', operations: accessOperations },
  {
    name: 'Agents',
    description: 'What agents call. docs/PROTOCOL.md is the text to go by.',
    operations: agentOperations,
  },
  { name: 'Server', description: 'The server itself.', operations: serverOperations },
  {
    name: 'Older systems',
    description: 'The paths of older systems, as their scripts call them.',
    operations: olderOperations,
  },
]

/** Every route, as `METHOD /path`, with what goes in and out. A test holds it against the router. */
export const operations: Record<string, Operation> = Object.assign({}, ...topics.map((topic) => topic.operations))
