import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'
import { projectFolder } from './processes.ts'

/** What was measured, where and when: one line. */
export function surroundings(): string {
  const all = cpus()
  const gib = Math.round(totalmem() / 2 ** 30)
  const day = new Date().toISOString().slice(0, 10)
  return `${day}, ${commit()}, Node ${process.versions.node}, ${type()} ${release()}, ${all.length} × ${all[0]?.model.trim()}, ${gib} GiB`
}

function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: projectFolder, encoding: 'utf8' }).trim()
  try {
    const changed = git('status', '--porcelain', '--', 'agent', 'server', 'shared', 'package.json') !== ''
    return `commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`
  } catch {
    return 'no commit'
  }
}
