import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Part } from './bench.ts'
import { projectFolder } from './processes.ts'

export interface Script {
  /** `idle`, which is `bench/idle.ts`. */
  name: string
  title: string
  description: string
}

/** A measurement that is a program of its own here, and prints what it found. What follows its name goes to it. */
export function createScriptPart({ name, title, description }: Script): Part<object> {
  const file = join('bench', `${name}.ts`)
  return {
    name,
    description,
    declare: (command) => command.argument('[arguments...]').allowUnknownOption(),
    room: () => 0,
    lacks: () => (existsSync(join(projectFolder, file)) ? undefined : `there is no ${file}`),
    async run({ signal }, _options, args) {
      const child = spawn(process.execPath, [file, ...args], {
        cwd: projectFolder,
        stdio: ['ignore', 'pipe', 'inherit'],
        signal,
        killSignal: 'SIGTERM',
      })
      const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
      return {
        name,
        title,
        about: code === 0 ? '' : `It ended with ${String(code)}.`,
        tables: [['```', printed.trimEnd(), '```'].join('\n')],
        verdicts: [],
        leftOut: [],
        panels: [],
        runs: printed.split('\n'),
      }
    },
  }
}
